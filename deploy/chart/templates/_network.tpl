{{/* Rules of network policies, made of the table of _parts.tpl. */}}

{{/* Pods of parts, as peers: (dict "root" $ "parts" LIST). */}}
{{- define "image-pipeline.peersOf" -}}
{{- range .parts }}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ $.root.Release.Namespace }}
  podSelector:
    matchLabels:
      {{- include "image-pipeline.selector" (list $.root .) | nindent 6 }}
{{- end }}
{{- end }}

{{/* Pods of functions, as peers: (dict "root" $ "functions" LIST). */}}
{{- define "image-pipeline.peersOfFunctions" -}}
{{- range .functions }}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ $.root.Values.openfaas.functionsNamespace }}
  podSelector:
    matchLabels:
      faas_function: {{ . }}
{{- end }}
{{- end }}

{{- define "image-pipeline.openfaasPeer" -}}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ .Values.openfaas.namespace }}
  podSelector:
    matchLabels:
      {{- toYaml .Values.openfaas.gatewayLabels | nindent 6 }}
{{- end }}

{{/* Numbers of ports in addresses or URLs that are joined by commas. */}}
{{- define "image-pipeline.portsOf" -}}
{{- $usual := dict "http" "80" "https" "443" "redis" "6379" "rediss" "6379" }}
{{- $found := list }}
{{- range splitList "," . }}
{{- $host := regexReplaceAll "/.*$" (regexReplaceAll "^[a-z]+://" . "") "" }}
{{- $port := trimPrefix ":" (regexFind ":[0-9]+$" $host) }}
{{- $found = append $found ($port | default (get $usual (regexFind "^[a-z]+" .))) }}
{{- end }}
{{- range $found | uniq }}
- {protocol: TCP, port: {{ . }}}
{{- end }}
{{- end }}

{{/* One rule for what a part asks: (dict "root" $ "part" PART "target" NAME). */}}
{{- define "image-pipeline.egressRule" -}}
{{- $root := .root -}}
{{- $demo := dict "s3" "minio" "kafka" "kafka" "redis" "redis" "minio-console" "minio" -}}
{{- $addresses := dict "s3" $root.Values.s3.endpoint "kafka" $root.Values.kafka.bootstrapServers "redis" $root.Values.redis.url -}}
{{- if eq .target "outside" }}
{{- $settings := $root.Values.settings }}
{{- $urls := ternary (compact (list $settings.OIDC_ISSUER $settings.OIDC_JWKS_URL) | join ",") $settings.ASYNC_CALLBACK_URLS (eq .part "token-verifier") }}
- ports:
    {{- include "image-pipeline.portsOf" $urls | nindent 4 }}
  {{- with $root.Values.networkPolicy.outside }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- else if hasPrefix "openfaas" .target }}
- to:
    {{- include "image-pipeline.openfaasPeer" $root | nindent 4 }}
  ports:
    {{- include "image-pipeline.portsOf" (ternary $root.Values.openfaas.url $root.Values.openfaas.metricsUrl (eq .target "openfaas")) | nindent 4 }}
{{- else if and (hasKey $demo .target) $root.Values.demo.enabled }}
- to:
    {{- include "image-pipeline.peersOf" (dict "root" $root "parts" (list (get $demo .target))) | nindent 4 }}
  ports:
    - {protocol: TCP, port: {{ get (dict "s3" 9000 "kafka" 9092 "redis" 6379 "minio-console" 9001) .target }}}
{{- else if hasKey $addresses .target }}
- ports:
    {{- include "image-pipeline.portsOf" (get $addresses .target) | nindent 4 }}
  {{- with index $root.Values.networkPolicy .target }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- else }}
- to:
    {{- include "image-pipeline.peersOf" (dict "root" $root "parts" (list .target)) | nindent 4 }}
  ports:
    {{- range index (include "image-pipeline.ports" $root | fromYaml) .target }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}
{{- end }}

{{- define "image-pipeline.dnsRule" -}}
- to:
    {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end }}
