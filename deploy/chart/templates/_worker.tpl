{{/*
A Deployment of the consumers' image, and the Service that it is asked at.
(dict "root" $ "part" PART "values" VALUES "replicas" N "command" LIST "port" PORT "account" NAME
"update" one of surge, replace, recreate; "ready" PATH "serving" BOOL "isMember" BOOL: of a group)
*/}}
{{- define "image-pipeline.worker" -}}
{{- $root := .root -}}
{{- $part := .part -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "image-pipeline.metadata" (list $root $part) | nindent 2 }}
spec:
  replicas: {{ .replicas }}
  strategy:
    {{- if eq .update "recreate" }}
    type: Recreate
    {{- else }}
    rollingUpdate:
      maxUnavailable: {{ ternary 0 1 (eq .update "surge") }}
      maxSurge: {{ ternary 1 0 (eq .update "surge") }}
    {{- end }}
  selector:
    matchLabels:
      {{- include "image-pipeline.selector" (list $root $part) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "image-pipeline.labels" (list $root $part) | nindent 8 }}
      annotations:
        {{- include "image-pipeline.settingsChecksum" $root | nindent 8 }}
    spec:
      {{- include "image-pipeline.podBasics" (dict "root" $root "part" $part) | nindent 6 }}
      {{- if gt (int .replicas) 1 }}
      {{- include "image-pipeline.spread" (list $root $part) | nindent 6 }}
      {{- end }}
      # As long as a consumer takes for its last work, and a little: pipeline/timeouts.py.
      terminationGracePeriodSeconds: {{ ternary 45 40 (.serving | default false) }}
      containers:
        - name: {{ $part }}
          {{- include "image-pipeline.ownContainer" (list $root "consumers") | nindent 10 }}
          command: {{ toJson .command }}
          {{- include "image-pipeline.environment" (dict "root" $root "account" .account "isMember" .isMember) | nindent 10 }}
          {{- if .port }}
          ports:
            - {name: http, containerPort: {{ .port }}}
          {{- include "image-pipeline.consumerProbes" . | nindent 10 }}
          {{- end }}
          {{- if .serving }}
          {{- include "image-pipeline.lastRequests" . | nindent 10 }}
          {{- end }}
          resources:
            {{- toYaml .values.resources | nindent 12 }}
          volumeMounts:
            - {name: secrets, mountPath: /run/secrets, readOnly: true}
            - {name: tmp, mountPath: /tmp}
      volumes:
        - {{- include "image-pipeline.secretVolume" (list $root $part) | nindent 10 }}
        - name: tmp
          emptyDir:
            sizeLimit: {{ .scratch | default "256Mi" }}
{{- if .port }}
---
apiVersion: v1
kind: Service
metadata:
  {{- include "image-pipeline.metadata" (list $root $part) | nindent 2 }}
spec:
  {{- if not .serving }}
  # For metrics alone, which are asked of each pod, ready or not.
  clusterIP: None
  publishNotReadyAddresses: true
  {{- end }}
  selector:
    {{- include "image-pipeline.selector" (list $root $part) | nindent 4 }}
  ports:
    - {name: http, port: {{ .port }}, targetPort: http}
{{- end }}
{{- end }}
