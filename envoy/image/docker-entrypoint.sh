#!/bin/sh
# Checks the variables, fills them into envoy.yaml.tmpl and becomes Envoy: its signals and its exit code are the
# container's. Arguments are Envoy's (`docker run … rollcall-envoy -l debug`). Nothing is written, so that it works as any
# user and on a read-only file system. The first wrong variable is named in one line; exit code 2, and Envoy is not started.
#
# SERVICE_NAME        the service, as instances register it. Required.
# ROLLCALL_SERVER     where the EDS server is: a host name or an address. Required.
# ROLLCALL_GRPC_PORT  its gRPC port. Default 8080.
# ENVOY_LB_ALG        how requests are shared among the instances. Default ROUND_ROBIN.
# TZ                  the time zone of Envoy's log, as in /usr/share/zoneinfo. Default UTC.
set -eu
LC_ALL=C # A-Z below are 26 letters, in every locale

# Printable ASCII of one line only, whatever the value holds.
refuse() {
  printf '%s: %s is "%s"; allowed: %s\n' "${0##*/}" "$1" "$(printf '%.100s' "$2" | tr -c ' -~' '?')" "$3" >&2
  exit 2
}

is_dotted_name() {
  case $1 in '' | *[!A-Za-z0-9._-]* | [!A-Za-z0-9]* | *[!A-Za-z0-9]) return 1 ;; esac
  [ ${#1} -le 253 ]
}

is_address_v6() {
  case $1 in
    *[!A-Fa-f0-9:.]* | *:::* | *::*::* | :[!:]* | *[!:]:) return 1 ;;
    *::* | *:*:*:*:*:*:*:*) [ ${#1} -le 45 ] ;;
    *) return 1 ;;
  esac
}

is_port() {
  case $1 in '' | *[!0-9]* | 0* | ??????*) return 1 ;; esac
  [ "$1" -le 65535 ]
}

# The names have no dot and do not begin with a slash, so this stays below the folder.
is_zone() {
  case $1 in *[!A-Za-z0-9_+/-]* | /*) return 1 ;; esac
  [ "$1" = UTC ] || { [ -f "$ZONES/$1" ] && [ "$(head -c 4 "$ZONES/$1")" = TZif ]; }
}

render() {
  # envsubst where there is one (the image has none); the values hold no character that means something to sed.
  # shellcheck disable=SC2016 # envsubst expands these, not the shell
  if command -v envsubst >/dev/null; then
    envsubst '${NODE_ID} ${SERVICE_NAME} ${ENVOY_LB_ALG} ${ROLLCALL_SERVER} ${ROLLCALL_GRPC_PORT}'
  else
    sed -e "s|\${NODE_ID}|$NODE_ID|g" -e "s|\${SERVICE_NAME}|$SERVICE_NAME|g" \
      -e "s|\${ENVOY_LB_ALG}|$ENVOY_LB_ALG|g" -e "s|\${ROLLCALL_SERVER}|$ROLLCALL_SERVER|g" \
      -e "s|\${ROLLCALL_GRPC_PORT}|$ROLLCALL_GRPC_PORT|g"
  fi
}

ZONES=/usr/share/zoneinfo
NODE_ID=$(uname -n)
: "${SERVICE_NAME=}" "${ROLLCALL_SERVER=}" "${ROLLCALL_GRPC_PORT:=8080}" "${ENVOY_LB_ALG:=ROUND_ROBIN}" "${TZ:=UTC}"

SERVICE_RULE='a service name: 1 to 253 of A-Z, a-z, 0-9, ".", "_", "-", first and last a letter or digit, and not reserved'
is_dotted_name "$SERVICE_NAME" || refuse SERVICE_NAME "$SERVICE_NAME" "$SERVICE_RULE"
LOWER_CASE=$(printf %s "$SERVICE_NAME" | tr '[:upper:]' '[:lower:]')
case $LOWER_CASE in repo | constructor | prototype) refuse SERVICE_NAME "$SERVICE_NAME" "$SERVICE_RULE" ;; esac
SERVICE_NAME=$LOWER_CASE # as the registry writes it

is_dotted_name "$ROLLCALL_SERVER" || is_address_v6 "$ROLLCALL_SERVER" ||
  refuse ROLLCALL_SERVER "$ROLLCALL_SERVER" 'the host name or the IP address of the EDS server, without a port'
is_port "$ROLLCALL_GRPC_PORT" || refuse ROLLCALL_GRPC_PORT "$ROLLCALL_GRPC_PORT" 'a port, 1 to 65535'
case $ENVOY_LB_ALG in
  ROUND_ROBIN | LEAST_REQUEST | RANDOM | RING_HASH | MAGLEV) ;;
  *) refuse ENVOY_LB_ALG "$ENVOY_LB_ALG" 'ROUND_ROBIN, LEAST_REQUEST, RANDOM, RING_HASH, MAGLEV' ;;
esac
is_zone "$TZ" || refuse TZ "$TZ" "UTC, or a time zone of $ZONES, such as Asia/Shanghai"
is_dotted_name "$NODE_ID" || refuse 'the host name' "$NODE_ID" 'A-Z, a-z, 0-9, ".", "_", "-"'

export TZ NODE_ID SERVICE_NAME ENVOY_LB_ALG ROLLCALL_SERVER ROLLCALL_GRPC_PORT
CONFIG=$(render <"${0%/*}/envoy.yaml.tmpl")
exec envoy --config-yaml "$CONFIG" "$@"
