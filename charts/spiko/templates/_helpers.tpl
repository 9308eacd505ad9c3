{{- /* The name of the operator's objects: that of the release, with "spiko" in it. */ -}}
{{- define "spiko.fullname" -}}
{{- $release := .Release.Name -}}
{{- if not (contains "spiko" $release) }}{{ $release = printf "%s-spiko" $release }}{{ end -}}
{{- printf "%s-operator" ($release | trunc 53 | trimSuffix "-") -}}
{{- end -}}

{{- /* The name of cluster-wide objects: two releases in different namespaces must not share them. */ -}}
{{- define "spiko.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "spiko.fullname" .) -}}
{{- end -}}

{{- define "spiko.selectorLabels" -}}
app.kubernetes.io/name: spiko-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "spiko.commonLabels" -}}
app.kubernetes.io/name: spiko-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "spiko.labels" -}}
{{ include "spiko.commonLabels" . }}
app.kubernetes.io/component: operator
{{- end -}}

{{- /* An image by digest, else by tag, else by the chart's appVersion. Arguments: image, version. */ -}}
{{- define "spiko.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .version }}
{{- end -}}
{{- end -}}

{{- /* The namespaces of scope `namespace`, separated by commas. */ -}}
{{- define "spiko.namespaces" -}}
{{- join "," (.Values.namespaces | default (list .Release.Namespace) | uniq) -}}
{{- end -}}

{{- define "spiko.subjects" -}}
- kind: ServiceAccount
  name: {{ include "spiko.fullname" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{- /* A file of the chart; without it, the chart was packaged wrongly. Arguments: root, path. */ -}}
{{- define "spiko.file" -}}
{{- $text := .root.Files.Get .path -}}
{{- if not $text }}{{ fail (printf "%s: the chart does not have this file; disable %s" .path .value) }}{{ end -}}
{{- $text -}}
{{- end -}}
