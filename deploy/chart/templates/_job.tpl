{{/*
A job that runs to its end at each install and upgrade, and changes nothing that is as it should be.
A job is never changed, so its name follows from what it does and from the release's number.
(dict "root" $ "part" PART "image" NAME "script" TEXT "account" NAME "env" LIST "mounts" LIST
"volumes" LIST "resources" RESOURCES "fullImage" NAME)
*/}}
{{- define "image-pipeline.job" -}}
{{- $root := .root -}}
{{- $part := .part -}}
{{- $spec := include "image-pipeline.jobSpec" . -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "image-pipeline.fullname" $root }}-{{ $part }}-{{ printf "%d%s" $root.Release.Revision $spec | sha256sum | trunc 8 }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "image-pipeline.labels" (list $root $part) | nindent 4 }}
spec:
  backoffLimit: 3
  activeDeadlineSeconds: {{ $root.Values.jobs.deadlineSeconds }}
  template:
    metadata:
      labels:
        {{- include "image-pipeline.labels" (list $root $part) | nindent 8 }}
      annotations:
        {{- include "image-pipeline.settingsChecksum" $root | nindent 8 }}
    spec:
      {{- $spec | nindent 6 }}
{{- end }}

{{- define "image-pipeline.jobSpec" -}}
{{- include "image-pipeline.podBasics" (dict "root" .root "part" .part) }}
restartPolicy: OnFailure
{{- with .initContainers }}
initContainers:
  {{- . | nindent 2 }}
{{- end }}
containers:
  - name: {{ .part }}
    {{- if .fullImage }}
    image: {{ .fullImage }}
    imagePullPolicy: {{ .root.Values.images.pullPolicy }}
    {{- include "image-pipeline.containerSecurity" . | nindent 4 }}
    {{- else }}
    {{- include "image-pipeline.ownContainer" (list .root .image) | nindent 4 }}
    {{- end }}
    # What it needs may not answer yet.
    command:
      - sh
      - -c
      - |
        while :; do
          {{- .script | trim | nindent 10 }}
          sleep 2
        done
    {{- include "image-pipeline.environment" (dict "root" .root "account" .account) | nindent 4 }}
    {{- with .env }}
      {{- toYaml . | nindent 6 }}
    {{- end }}
    resources:
      {{- toYaml (.resources | default .root.Values.jobs.resources) | nindent 6 }}
    volumeMounts:
      - {name: secrets, mountPath: /run/secrets, readOnly: true}
      - {name: tmp, mountPath: /tmp}
      {{- with .mounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  - {{- include "image-pipeline.secretVolume" (list .root .part) | nindent 4 }}
  - name: tmp
    emptyDir:
      sizeLimit: 4Gi
  {{- with .volumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
