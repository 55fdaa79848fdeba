#!/bin/sh
# Makes what the example wants to know and nobody else may: prepare.sh HOST. Once; what is there already stays.
# The certificate of the site is made by nobody that browsers trust: put your own in secrets/haproxy/site.pem, chain and key.
set -eu
host=${1:?usage: prepare.sh HOST, the name in publicUrl}
umask 077
cd "$(dirname "$0")"
[ ! -e secrets ] || { echo "secrets/ is there already: nothing was changed" >&2; exit 1; }
mkdir -p secrets/gatehouse secrets/redis secrets/haproxy

# What seals the secrets in the store.
openssl rand -base64 32 | tr '+/' '-_' | tr -d '=' > secrets/gatehouse/seal.key

# The gateways' user at Redis, and nobody else.
password=$(openssl rand -hex 32)
printf '%s\n' "$password" > secrets/gatehouse/redis.password
hash=$(printf '%s' "$password" | openssl dgst -sha256 -r | cut -d' ' -f1)
{
  echo 'user default off'
  echo "user gatehouse on #$hash ~gatehouse:* &gatehouse:* -@all +@connection +@read +@write +@scripting +@pubsub -@dangerous +info"
} > secrets/redis/users.acl

# A CA for Redis, whose key is not kept, and the certificate of the server.
new="openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 3650"
$new -keyout ca.key -out secrets/gatehouse/redis-ca.crt -subj '/CN=Gatehouse store' -addext keyUsage=critical,keyCertSign 2> /dev/null
$new -CA secrets/gatehouse/redis-ca.crt -CAkey ca.key -keyout secrets/redis/redis.key -out secrets/redis/redis.crt \
  -subj '/CN=redis' -addext subjectAltName=DNS:redis -addext basicConstraints=critical,CA:FALSE 2> /dev/null
rm ca.key

$new -days 90 -keyout site.key -out site.crt -subj "/CN=$host" -addext "subjectAltName=DNS:$host" 2> /dev/null
cat site.crt site.key > secrets/haproxy/site.pem
rm site.crt site.key

# The containers run as this user.
[ "$(id -u)" != 0 ] || chown -R 1000:1000 secrets
echo "made: secrets/ for $host"
