{{- /* The environment variables of the operator; docs/settings.md describes them. */ -}}
{{- define "spiko.environment" -}}
- name: SPIKO_IMAGE
  value: {{ include "spiko.image" (dict "image" .Values.nanoservice.image "version" .Chart.AppVersion) | quote }}
- name: SPIKO_REACH
  value: direct
{{- if eq .Values.scope "namespace" }}
- name: SPIKO_NAMESPACES
  value: {{ include "spiko.namespaces" . | quote }}
{{- end }}
- name: SPIKO_OPERATOR_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: SPIKO_HTTP_LISTEN
  value: "0.0.0.0:8081"
- name: SPIKO_LEADER_ELECTION
  value: {{ .Values.leaderElection.enabled | quote }}
- name: SPIKO_RESYNC_SECONDS
  value: {{ .Values.resyncSeconds | int | quote }}
- name: SPIKO_KEY_EPOCH
  value: {{ .Values.keyEpoch | int | quote }}
- name: SPIKO_ALLOW_DELETE
  value: {{ .Values.chaos.allowDelete | quote }}
- name: SPIKO_DISRUPTION_BUDGETS
  value: {{ .Values.disruptionBudgets.enabled | quote }}
- name: SPIKO_NETWORK_POLICIES
  value: {{ .Values.networkPolicies.enabled | quote }}
{{- with .Values.networkPolicies.apiServerBlocks }}
- name: SPIKO_API_SERVER_BLOCKS
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.networkPolicies.prometheusNamespace }}
- name: SPIKO_PROMETHEUS_NAMESPACE
  value: {{ . | quote }}
{{- end }}
{{- with .Values.defaultCollector }}
- name: SPIKO_DEFAULT_COLLECTOR
  value: {{ . | quote }}
{{- end }}
{{- with .Values.operatorTraces.endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- with .Values.limits }}
- name: SPIKO_MAX_PODS_PER_ARCHITECTURE
  value: {{ .maxPodsPerArchitecture | int | quote }}
- name: SPIKO_MAX_OBJECTS_PER_ARCHITECTURE
  value: {{ .maxObjectsPerArchitecture | int | quote }}
- name: SPIKO_MAX_PODS
  value: {{ .maxPods | int | quote }}
- name: SPIKO_MAX_OBJECTS
  value: {{ .maxObjects | int | quote }}
{{- with .allowedImages }}
- name: SPIKO_ALLOWED_IMAGES
  value: {{ join "," . | quote }}
{{- end }}
{{- with .allowedTolerations }}
- name: SPIKO_ALLOWED_TOLERATIONS
  value: {{ join "," . | quote }}
{{- end }}
{{- with .allowedCollectors }}
- name: SPIKO_ALLOWED_COLLECTORS
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}
{{- end -}}
