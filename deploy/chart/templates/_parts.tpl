{{/*
What each part has and reaches. Tests compare the first with docker-compose.yml, the second with
pipeline/access/accounts.py. Network policies are made of it, in both directions.
*/}}

{{/* Files of secrets that a part is given. */}}
{{- define "image-pipeline.secretFiles" -}}
gateway: [image-upload-key, image-classifier-key, image-results-key]
first-keys: [api-key, prove-api-key]
image-process-consumer: [minio-image-process-consumer, kafka-image-process-consumer, consumer-classifier-key]
async-call-consumer:
  - minio-async-call-consumer
  - kafka-async-call-consumer
  - image-upload-key
  - image-classifier-key
  - image-results-key
  - async-call-key
classifier-autoscaler: [kafka-classifier-autoscaler]
reconciler: [minio-reconciler, kafka-reconciler, job-signing-key]
operator: [minio-imagectl, kafka-imagectl, redis-imagectl, job-signing-key, prove-api-key]
topics:
  - kafka-setup
  - kafka-image-upload
  - kafka-image-results
  - kafka-image-process-consumer
  - kafka-async-call-consumer
  - kafka-classifier-autoscaler
  - kafka-reconciler
  - kafka-imagectl
  - kafka-viewer
buckets:
  - minio-setup
  - minio-image-upload
  - minio-image-classifier
  - minio-image-results
  - minio-image-process-consumer
  - minio-async-call-consumer
  - minio-reconciler
  - minio-imagectl
  - minio-rollout
  - minio-viewer
cache: [redis-setup, redis-image-upload, redis-image-classifier, redis-image-results, redis-imagectl]
model: [minio-rollout]
functions: []
minio: [minio-access-key, minio-secret-key, minio-encryption-key]
kafka: [kafka-logins]
redis: [redis-setup, redis-image-upload, redis-image-classifier, redis-image-results, redis-imagectl]
test: [api-key]
{{- end }}

{{/* The Secrets of functions, as stack.yml names them. */}}
{{- define "image-pipeline.functionSecrets" -}}
- minio-image-upload
- redis-image-upload
- kafka-image-upload
- minio-image-classifier
- redis-image-classifier
- minio-image-results
- redis-image-results
- kafka-image-results
- image-upload-key
- image-classifier-key
- image-results-key
- consumer-classifier-key
- job-signing-key
{{- end }}

{{/* Who knows the login of OpenFaaS' own API. */}}
{{- define "image-pipeline.operatorsOfOpenfaas" -}}
[classifier-autoscaler, operator, functions]
{{- end }}

{{/* Whom a part asks; outside is whatever its settings name beyond the cluster. */}}
{{- define "image-pipeline.reach" -}}
gateway: [openfaas, async-call-consumer{{ if include "image-pipeline.hasVerifier" . }}, token-verifier{{ end }}{{ if include "image-pipeline.hasConsole" . }}, minio-console{{ end }}]
image-process-consumer: [s3, kafka, openfaas]
async-call-consumer: [s3, kafka, openfaas{{ if .Values.settings.ASYNC_CALLBACK_URLS }}, outside{{ end }}]
{{- if .Values.autoscaler.enabled }}
classifier-autoscaler: [kafka, openfaas, openfaas-metrics]
{{- end }}
{{- if .Values.reconciler.enabled }}
reconciler: [s3, kafka]
{{- end }}
{{- if .Values.operator.enabled }}
operator: [s3, kafka, redis, openfaas, gateway, image-process-consumer, async-call-consumer]
{{- end }}
{{- if include "image-pipeline.hasVerifier" . }}
token-verifier: [outside]
{{- end }}
{{- if .Values.kafka.administer }}
topics: [kafka]
{{- end }}
{{- if .Values.s3.administer }}
buckets: [s3]
{{- end }}
{{- if and .Values.redis.administer (not .Values.demo.enabled) }}
cache: [redis]
{{- end }}
{{- if .Values.model.publish }}
model: [s3]
{{- end }}
{{- if .Values.functions.deploy.enabled }}
functions: [openfaas]
{{- end }}
test: [gateway]
{{- if .Values.demo.enabled }}
kafka: []
minio: []
redis: []
{{- end }}
{{- end }}

{{/* The same of the functions, in the namespace of functions. */}}
{{- define "image-pipeline.functionsReach" -}}
image-upload: [s3, kafka, redis]
image-classifier: [s3, redis]
image-results: [s3, kafka, redis, openfaas]
{{- end }}

{{/* Ports that a part is asked at by other parts. */}}
{{- define "image-pipeline.ports" -}}
gateway: [8080, 8081]
image-process-consumer: [8082]
classifier-autoscaler: [8083]
async-call-consumer: [8084]
token-verifier: [8085]
kafka: [9092]
minio: [9000]
redis: [6379]
{{- end }}
