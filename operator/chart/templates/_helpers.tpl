{{/* The image that operator and sidecars run. */}}
{{- define "pointsman.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The Secret with the operator's certificate, where somebody else keeps it. */}}
{{- define "pointsman.certificate" -}}
{{- if .Values.certManager.enabled -}}pointsman-certificate{{- else -}}{{ .Values.certificateSecret }}{{- end -}}
{{- end -}}

{{/* {cpu: 50m, memory: 32Mi} as cpu=50m,memory=32Mi. */}}
{{- define "pointsman.amounts" -}}
{{- $pairs := list -}}
{{- range $name, $amount := . -}}{{- $pairs = append $pairs (printf "%s=%s" $name $amount) -}}{{- end -}}
{{ join "," $pairs }}
{{- end -}}

{{/*
Generated manifests, moved to the release's namespace: the generator writes pointsman-system everywhere, and the test of the
templates holds that nothing else is meant by that name.
*/}}
{{- define "pointsman.generated" -}}
{{ .root.Files.Get (printf "generated/%s" .file) | replace "pointsman-system" .root.Release.Namespace }}
{{- end -}}
