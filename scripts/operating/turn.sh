# turn_mirror NAME: copies the configuration with `from` and `to` of [mirrors.NAME] exchanged. The former source is no
# master any more: a [pfs.*] section that makes it one becomes a comment.
turn_mirror() {
    grep -q "^\[mirrors\.$1\]" "$config" || fail "$config has no [mirrors.$1]"
    awk -v mirror="[mirrors.$1]" '
        function value(line) { sub(/^[^"]*"/, "", line); sub(/".*/, "", line); return line }
        /^\[/ { section = $1 }
        NR == FNR {
            if (section ~ /^\[pfs\./ && !(section in path)) { path[section] = substr(section, 6, length(section) - 6) }
            if (section ~ /^\[pfs\./ && /^volume *=/) volume[section] = value($0)
            if (section ~ /^\[pfs\./ && /^path *=/) path[section] = value($0)
            if (section == mirror && /^from *=/) { former = value($0); sub(/^[^:]*:/, "", former) }
            next
        }
        section in volume && volume[section] "/" path[section] == former && !/^#/ && NF { print "#" $0; next }
        section == mirror && /^from *=/ { sub(/^from/, "to"); print; next }
        section == mirror && /^to *=/ { sub(/^to/, "from"); print; next }
        { print }' "$config" "$config"
}
