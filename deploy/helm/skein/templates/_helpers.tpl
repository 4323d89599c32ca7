{{- define "skein.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* Where the API server is, if not by its service. */ -}}
{{- define "skein.server" -}}
{{- if .Values.k8sServiceHost -}}
- {name: KUBERNETES_SERVICE_HOST, value: {{ .Values.k8sServiceHost | quote }}}
- {name: KUBERNETES_SERVICE_PORT, value: {{ .Values.k8sServicePort | quote }}}
{{- end -}}
{{- end }}
