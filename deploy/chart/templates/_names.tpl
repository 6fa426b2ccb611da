{{/* What things are called, and how they know each other. */}}

{{- define "image-pipeline.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Labels that choose a part's pods: (list $ PART). */}}
{{- define "image-pipeline.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* All labels of what belongs to a part: (list $ PART). */}}
{{- define "image-pipeline.labels" -}}
{{- $root := index . 0 -}}
{{ include "image-pipeline.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end }}

{{/* Name and labels of one object: (list $ PART). */}}
{{- define "image-pipeline.metadata" -}}
{{- $root := index . 0 -}}
name: {{ include "image-pipeline.fullname" $root }}-{{ index . 1 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "image-pipeline.labels" . | nindent 2 }}
{{- end }}

{{/* An image of ours: (list $ NAME), NAME one of gateway, consumers, rollout. */}}
{{- define "image-pipeline.image" -}}
{{- $root := index . 0 -}}
{{- $images := $root.Values.images -}}
{{- $found := index $images (index . 1) -}}
{{- with $images.registry }}{{ . }}/{{ end }}{{ $found.repository -}}
{{- if $found.digest }}@{{ $found.digest }}{{ else }}:{{ $images.tag | default $root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/* A Service of ours as every namespace of the cluster calls it: (list $ PART). */}}
{{- define "image-pipeline.host" -}}
{{- $root := index . 0 -}}
{{ include "image-pipeline.fullname" $root }}-{{ index . 1 }}.{{ $root.Release.Namespace }}.svc
{{- end }}

{{/* Where the services are: the chart's own with demo.enabled, else those that the values name. */}}
{{- define "image-pipeline.s3" -}}
{{- if .Values.demo.enabled }}{{ include "image-pipeline.host" (list . "minio") }}:9000{{ else }}{{ required "s3.endpoint is empty: HOST:PORT of an S3, or demo.enabled for one of the chart's own" .Values.s3.endpoint }}{{ end }}
{{- end }}
{{- define "image-pipeline.kafka" -}}
{{- if .Values.demo.enabled }}{{ include "image-pipeline.host" (list . "kafka") }}:9092{{ else }}{{ required "kafka.bootstrapServers is empty: HOST:PORT,… of a Kafka, or demo.enabled for one of the chart's own" .Values.kafka.bootstrapServers }}{{ end }}
{{- end }}
{{- define "image-pipeline.redis" -}}
{{- if .Values.demo.enabled }}redis://{{ include "image-pipeline.host" (list . "redis") }}:6379/0{{ else }}{{ required "redis.url is empty: redis://HOST:PORT/0 or rediss://…, or demo.enabled for one of the chart's own" .Values.redis.url }}{{ end }}
{{- end }}

{{/* A number as it was written: Helm reads all of them as floating point. */}}
{{- define "image-pipeline.text" -}}
{{- if kindIs "float64" . }}{{ if eq (floor .) . }}{{ printf "%.0f" . }}{{ else }}{{ . }}{{ end }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{/* Names of Secrets: ours, or the one that the values name. */}}
{{- define "image-pipeline.secretName" -}}
{{- .Values.secrets.existing | default (printf "%s-secrets" (include "image-pipeline.fullname" .)) }}
{{- end }}

{{- define "image-pipeline.hasVerifier" -}}
{{- if .Values.settings.OIDC_ISSUER }}true{{ end }}
{{- end }}

{{- define "image-pipeline.hasConsole" -}}
{{- if and .Values.demo.enabled .Values.demo.console }}true{{ end }}
{{- end }}

{{- define "image-pipeline.keysClaim" -}}
{{- .Values.keys.persistence.existingClaim | default (printf "%s-keys" (include "image-pipeline.fullname" .)) }}
{{- end }}

{{/* HOST:PORT of an address, or of a URL without a path. */}}
{{- define "image-pipeline.hostPort" -}}
{{- $host := regexReplaceAll "^[a-z]+://|/.*$" . "" -}}
{{- if regexMatch ":[0-9]+$" $host }}{{ $host }}{{ else }}{{ $host }}:{{ ternary 443 80 (hasPrefix "https://" .) }}{{ end }}
{{- end }}

{{/* The gateway as pods call it; with TLS by the first name of its certificate. */}}
{{- define "image-pipeline.gatewayUrl" -}}
{{- if .Values.gateway.tls.secret }}https://{{ first .Values.gateway.tls.names }}{{ else }}http://{{ include "image-pipeline.host" (list . "gateway") }}:8080{{ end }}
{{- end }}
