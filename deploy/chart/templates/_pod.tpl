{{/* What all pods have in common: "restricted" of Pod Security, and nothing that is not asked for. */}}

{{/* (dict "root" $ "part" PART "user" UID) */}}
{{- define "image-pipeline.podBasics" -}}
serviceAccountName: {{ include "image-pipeline.fullname" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user | default 1000 }}
  runAsGroup: {{ .user | default 1000 }}
  fsGroup: {{ .user | default 1000 }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* Replicas lie on different nodes and in different zones, as far as there are several: (list $ PART). */}}
{{- define "image-pipeline.spread" -}}
{{- $selector := include "image-pipeline.selector" . -}}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- $selector | nindent 8 }}
  {{- end }}
{{- end }}

{{- define "image-pipeline.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* An image of ours and how it is locked up: (list $ NAME). */}}
{{- define "image-pipeline.ownContainer" -}}
image: {{ include "image-pipeline.image" . }}
imagePullPolicy: {{ (index . 0).Values.images.pullPolicy }}
{{ include "image-pipeline.containerSecurity" . }}
{{- end }}

{{/* Settings and addresses, as whom the process comes, and whether it is of a group: (dict "root" $ "account" NAME "isMember" BOOL). */}}
{{- define "image-pipeline.environment" -}}
envFrom:
  - configMapRef:
      name: {{ include "image-pipeline.fullname" .root }}-settings
{{- if or .account .isMember }}
env:
  {{- with .account }}
  - {name: ACCOUNT, value: {{ . }}}
  {{- end }}
  {{- if .isMember }}
  # /tmp outlives a container of the pod: the next one takes its place in the group at once.
  - {name: CONSUMER_MEMBER_FILE, value: /tmp/member}
  {{- end }}
{{- end }}
{{- end }}

{{/* Restarts pods whose settings have changed. */}}
{{- define "image-pipeline.settingsChecksum" -}}
checksum/settings: {{ include "image-pipeline.settings" . | sha256sum }}
{{- end }}

{{/* A part's files of secrets, and no others: (list $ PART). */}}
{{- define "image-pipeline.secretVolume" -}}
{{- $root := index . 0 -}}
{{- $part := index . 1 -}}
{{- $files := index (include "image-pipeline.secretFiles" $root | fromYaml) $part -}}
{{- $setups := dict "minio-setup" $root.Values.s3.setupSecret "kafka-setup" $root.Values.kafka.setupSecret "redis-setup" $root.Values.redis.setupSecret -}}
name: secrets
projected:
  defaultMode: 0440
  sources:
    {{- $own := list }}
    {{- range $file := $files }}
    {{- if and (not $root.Values.demo.enabled) (get $setups $file) }}
    - secret:
        name: {{ get $setups $file }}
        items:
          - key: {{ $file }}
            path: {{ $file }}
    {{- else }}
    {{- $own = append $own $file }}
    {{- end }}
    {{- end }}
    {{- with $own }}
    - secret:
        name: {{ include "image-pipeline.secretName" $root }}
        items:
          {{- range . }}
          - key: {{ . }}
            path: {{ . }}
          {{- end }}
    {{- end }}
    {{- if has $part (include "image-pipeline.operatorsOfOpenfaas" $root | fromYamlArray) }}
    - secret:
        name: {{ $root.Values.openfaas.basicAuthSecret }}
        items:
          - key: basic-auth-user
            path: basic-auth-user
          - key: basic-auth-password
            path: basic-auth-password
    {{- end }}
    {{- if $root.Values.servicesCA }}
    - configMap:
        name: {{ include "image-pipeline.fullname" $root }}-services-ca
        items:
          - key: services-ca
            path: services-ca
    {{- end }}
{{- end }}

{{/* Health of a consumer tells whether it gets work; that it lives, an answer: (dict "ready" PATH). */}}
{{- define "image-pipeline.consumerProbes" -}}
startupProbe:
  httpGet:
    path: /metrics
    port: http
  periodSeconds: 2
  failureThreshold: 60
readinessProbe:
  httpGet:
    path: {{ .ready | default "/metrics" }}
    port: http
  periodSeconds: 5
  timeoutSeconds: 4
livenessProbe:
  httpGet:
    path: /metrics
    port: http
  periodSeconds: 20
  timeoutSeconds: 10
  failureThreshold: 6
{{- end }}

{{/* Nobody is told to end before nobody asks it any more: endpoints learn of the end beside it. */}}
{{- define "image-pipeline.lastRequests" -}}
lifecycle:
  preStop:
    exec:
      command: [sleep, "5"]
{{- end }}
