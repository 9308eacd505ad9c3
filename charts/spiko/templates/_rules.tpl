{{- /* What the operator may do where Architectures are: in a ClusterRole, or in a Role for each namespace. */ -}}
{{- define "spiko.rules" -}}
- apiGroups: [spiko.dev]
  resources: [architectures, faults]
  verbs: [list, watch]
- apiGroups: [spiko.dev]
  resources: [architectures/status, faults/status]
  verbs: [patch]
{{- if .Values.openshift.enabled }}
# The admission plugin OwnerReferencesPermissionEnforcement asks for it: owner references block the owner's deletion.
- apiGroups: [spiko.dev]
  resources: [architectures/finalizers]
  verbs: [update]
{{- end }}
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [get]
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list, watch, create, patch, delete]
{{- if .Values.networkPolicies.enabled }}
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [list, watch, create, patch, delete]
{{- end }}
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, update]
# Keys: each Secret is read by name, and none is listed.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch]
# The UID of the namespace is an input of its read key.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch{{ if .Values.chaos.allowDelete }}, delete{{ end }}]
- apiGroups: [""]
  resources: [pods/eviction]
  verbs: [create]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}
