{{/* What every process is told: addresses, and settings in words of docs/settings.md. */}}
{{- define "image-pipeline.settings" -}}
{{- range $name, $value := .Values.settings }}
{{ $name }}: {{ include "image-pipeline.text" $value | quote }}
{{- end }}
MINIO_ENDPOINT: {{ include "image-pipeline.s3" . | quote }}
MINIO_TLS: {{ ternary "1" "0" (and .Values.s3.tls (not .Values.demo.enabled)) | quote }}
KAFKA_BOOTSTRAP_SERVERS: {{ include "image-pipeline.kafka" . | quote }}
KAFKA_SECURITY_PROTOCOL: {{ ternary "SASL_PLAINTEXT" .Values.kafka.securityProtocol .Values.demo.enabled }}
REDIS_URL: {{ include "image-pipeline.redis" . | quote }}
OPENFAAS_URL: {{ .Values.openfaas.url | quote }}
OPENFAAS_METRICS_URL: {{ .Values.openfaas.metricsUrl | quote }}
SECRETS_DIR: /run/secrets
{{- if .Values.servicesCA }}
SERVICES_CA_FILE: /run/secrets/services-ca
{{- end }}
LISTEN_HOST: 0.0.0.0
{{- end }}
