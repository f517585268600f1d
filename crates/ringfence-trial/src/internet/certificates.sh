# An authority, and a certificate for the names of the servers; another authority, that nobody trusts.
authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" -keyout "$1.key" \
        -out "$1.pem" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
}
certificate() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$2" -keyout "$2.key" -out "$2.csr"
    printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\n' "$3" >"$2.ext"
    openssl x509 -req -in "$2.csr" -CA "$1.pem" -CAkey "$1.key" -CAcreateserial -days 2 -extfile "$2.ext" -out "$2.pem"
}
authority roots
authority strangers
certificate roots server DNS:api.example,DNS:shared.example,DNS:other.example
certificate strangers stranger DNS:broken.example
certificate roots resolver IP:203.0.113.53,DNS:dns.example
certificate strangers resolver-stranger IP:203.0.113.53
mkdir repo && cd repo && git init -q --bare repo.git && git -C repo.git update-server-info
