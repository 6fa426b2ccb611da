{{/*
One pod with a service of others, for a try-out.
(dict "root" $ "part" PART "user" UID "init" YAML "container" YAML "ports" DICT "data" PATH
"size" QUANTITY "folders" LIST)
*/}}
{{- define "image-pipeline.demoService" -}}
{{- $root := .root -}}
{{- $part := .part -}}
{{- $storage := and .data $root.Values.demo.storage.enabled -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "image-pipeline.metadata" (list $root $part) | nindent 2 }}
spec:
  replicas: 1
  serviceName: {{ include "image-pipeline.fullname" $root }}-{{ $part }}
  selector:
    matchLabels:
      {{- include "image-pipeline.selector" (list $root $part) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "image-pipeline.labels" (list $root $part) | nindent 8 }}
    spec:
      {{- include "image-pipeline.podBasics" (dict "root" $root "part" $part "user" .user) | nindent 6 }}
      terminationGracePeriodSeconds: 30
      {{- with .init }}
      initContainers:
        {{- . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ $part }}
          image: {{ index $root.Values.demo.images $part }}
          imagePullPolicy: {{ $root.Values.images.pullPolicy }}
          {{- include "image-pipeline.containerSecurity" . | nindent 10 }}
          {{- .container | nindent 10 }}
          ports:
            {{- range $name, $port := .ports }}
            - {name: {{ $name }}, containerPort: {{ $port }}}
            {{- end }}
          resources:
            {{- toYaml (index $root.Values.demo.resources $part) | nindent 12 }}
          volumeMounts:
            - {name: secrets, mountPath: /run/secrets, readOnly: true}
            - {name: tmp, mountPath: /tmp}
            {{- with .data }}
            - {name: data, mountPath: {{ . }}}
            {{- end }}
            {{- range $at, $folder := .folders }}
            - {name: folder-{{ $at }}, mountPath: {{ $folder }}}
            {{- end }}
      volumes:
        - {{- include "image-pipeline.secretVolume" (list $root $part) | nindent 10 }}
        - name: tmp
          emptyDir:
            sizeLimit: 256Mi
        {{- range $at, $folder := .folders }}
        - name: folder-{{ $at }}
          emptyDir:
            sizeLimit: 64Mi
        {{- end }}
        {{- if and .data (not $storage) }}
        - name: data
          emptyDir:
            sizeLimit: {{ .size }}
        {{- end }}
  {{- if $storage }}
  volumeClaimTemplates:
    - metadata:
        name: data
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $root.Values.demo.storage.className }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests:
            storage: {{ .size }}
  {{- end }}
---
apiVersion: v1
kind: Service
metadata:
  {{- include "image-pipeline.metadata" (list $root $part) | nindent 2 }}
spec:
  selector:
    {{- include "image-pipeline.selector" (list $root $part) | nindent 4 }}
  ports:
    {{- range $name, $port := .ports }}
    - {name: {{ $name }}, port: {{ $port }}, targetPort: {{ $name }}}
    {{- end }}
{{- end }}
