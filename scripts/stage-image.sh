#!/usr/bin/env bash
# Makes the file system of the container image of the packages in build/packages, on the Debian that built them.
# Usage: stage-image.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
image=${1:?usage: stage-image.sh FOLDER}
umask 022

mkdir -p "$image"/{usr/{bin,lib,lib64},etc/ssl/certs,usr/lib/ssl,var/lib/dpkg/status.d}
mkdir -m 1777 "$image"/tmp
ln -s usr/lib "$image"/lib
ln -s usr/lib64 "$image"/lib64
for package in check-smtp-probe smtp-probe-exporter; do
  dpkg-deb --extract build/packages/"$package"_*.deb build/packages/extracted
done
cp -a build/packages/extracted/usr/{bin,lib} "$image"/usr/
cp -a build/packages/extracted/etc/smtp-probe "$image"/etc/
mkdir -p "$image"/usr/share/doc
cp -a build/packages/extracted/usr/share/doc/* "$image"/usr/share/doc/
rm -rf build/packages/extracted "$image"/usr/lib/systemd "$image"/usr/share/doc/*/{README.md,docs,examples}

# The libraries, and that of the push, which is loaded by name.
curl=$(ldconfig -p | awk '/libcurl\.so\.4 / && !seen++ {print $NF}')
libraries=$(ldd "$image"/usr/bin/* "$image"/usr/lib/nagios/plugins/* "$curl" |
  awk '$2 == "=>" {print $3} $1 ~ /^\/lib.*\/ld-linux/ {print $1}' | sort -u)
for library in $libraries "$curl"; do
  folder=$(realpath "$(dirname "$library")")
  mkdir -p "$image$folder"
  cp -L "$library" "$image$folder/"
done

# Trusted by their hashes, for a bundle would be read as a whole by each check; libcurl wants the bundle.
cp -L /etc/ssl/certs/*.[0-9] /etc/ssl/certs/ca-certificates.crt "$image"/etc/ssl/certs/
ln -s /etc/ssl/certs "$image"/usr/lib/ssl/certs

# For scanners and for the licenses: which packages the files are of.
for library in $libraries "$curl" /etc/ssl/certs; do
  dpkg-query -S "$(realpath "$library")" 2>/dev/null || dpkg-query -S "$library"
done | sed 's/: .*//; s/, /\n/g' | sort -u | while read -r package; do
  dpkg-query -s "$package" >"$image/var/lib/dpkg/status.d/${package%%:*}"
  install -D -m 644 "/usr/share/doc/${package%%:*}/copyright" "$image/usr/share/doc/${package%%:*}/copyright"
done

echo 'smtp-probe:x:65532:65532::/nonexistent:/usr/sbin/nologin' >"$image"/etc/passwd
echo 'smtp-probe:x:65532:' >"$image"/etc/group
echo 'hosts: files dns' >"$image"/etc/nsswitch.conf
du -sh "$image"
