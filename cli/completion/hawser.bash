# SPDX-License-Identifier: Apache-2.0
# bash completion for hawser(1). Written by cli/completion/generate.py.

_hawser_options()
{
    case $1 in
    identity) echo '--identity --name-only --json --help' ;;
    listen) echo '--identity --trust --trust-file --min-verification --certificate --certificate-key --stack --alpn --bare --framer --group-key --policy-file --reestablish --policy --trace --control --timeout --echo --discard --parts --receive --overwrite --exec --json --verbose --help' ;;
    send) echo '--identity --trust --trust-file --min-verification --certificate --certificate-key --stack --require --prefer --avoid --prohibit --property --interface --proxy --local --also --policy-file --trust-anchors --paths --reestablish --policy --trace --control --timeout --niceness --lifetime --reliability --deadline --coordinates --timestamp --pace --after --name --ordered --replayable --json --verbose --help' ;;
    connect) echo '--identity --trust --trust-file --min-verification --certificate --certificate-key --stack --require --prefer --avoid --prohibit --property --interface --proxy --local --also --alpn --bare --tls --group-key --hops --policy-file --trust-anchors --paths --reestablish --policy --trace --control --timeout --niceness --json --verbose --help' ;;
    ping) echo '--identity --trust --trust-file --min-verification --certificate --certificate-key --stack --require --prefer --avoid --prohibit --property --interface --proxy --local --also --policy-file --trust-anchors --paths --reestablish --policy --trace --control --timeout --niceness --lifetime --replayable --count --interval --size --json --verbose --help' ;;
    probe) echo '--identity --trust --trust-file --min-verification --certificate --certificate-key --stack --require --prefer --avoid --prohibit --property --interface --proxy --local --also --alpn --bare --tls --policy-file --trust-anchors --paths --reestablish --policy --trace --control --timeout --svg --json --verbose --help' ;;
    fetch) echo '--identity --trust --trust-file --min-verification --certificate --certificate-key --stack --require --prefer --avoid --prohibit --property --interface --proxy --local --policy-file --trust-anchors --paths --reestablish --policy --trace --control --timeout --output --head --fail --connect-to --json --verbose --help' ;;
    paths) echo '--require --prefer --avoid --prohibit --property --interface --policy-file --watch --json --verbose --help' ;;
    resolve) echo '--trust-anchors --timeout --type --json --verbose --help' ;;
    properties) echo '--json --help' ;;
    stacks) echo '--json --help' ;;
    policy) echo '--json --help' ;;
    forget) echo '--json --verbose --help' ;;
    stats) echo '--json --verbose --help' ;;
    plot) echo '--svg --title --association --help' ;;
    top) echo '--once --interval --json --help' ;;
    run) echo '--mptcp --help' ;;
    mptcp) echo '--local --remote --backup --count --json --help' ;;
    bench) echo '--stack --trace --control --timeout --ordered --count --interval --size --what --endpoint --port --mode --seconds --warm --connections --queued --resumed --dir --ready-fd --help' ;;
    esac
}

_hawser_properties()
{
    hawser properties --json 2>/dev/null | sed -n 's/.*"event":"property".*"name":"\([^"]*\)","stage".*/\1/p'
}

_hawser_value()
{
    case $1 in
    --dir | --identity | --receive) COMPREPLY=($(compgen -d -- "$2")) ;;
    --after | --certificate | --certificate-key | --control | --output | --policy-file | --svg | --trace | --trust-anchors | --trust-file) COMPREPLY=($(compgen -f -- "$2")) ;;
    --avoid | --prefer | --prohibit | --property | --require) COMPREPLY=($(compgen -W "$(_hawser_properties)" -- "$2")) ;;
    --trust) COMPREPLY=($(compgen -W 'pki key= tofu any' -- "$2")) ;;
    --min-verification) COMPREPLY=($(compgen -W 'none address tofu dane pki kerberos key' -- "$2")) ;;
    --stack) COMPREPLY=($(compgen -W 'tls/tcp tls/mptcp tls/unix tls/socks5/tcp tls/http-connect/tcp tcp mptcp unix' -- "$2")) ;;
    --policy) COMPREPLY=($(compgen -W 'handover interactive aggregate' -- "$2")) ;;
    --what) COMPREPLY=($(compgen -W 'oneway pingpong idle setup growth queue urgent' -- "$2")) ;;
    --mode) COMPREPLY=($(compgen -W 'run poll' -- "$2")) ;;
    --framer) COMPREPLY=($(compgen -W 'none length length2 lines fixed:' -- "$2")) ;;
    --type) COMPREPLY=($(compgen -W 'A AAAA HTTPS SVCB SRV TLSA TXT PTR' -- "$2")) ;;
    --interface) COMPREPLY=($(compgen -W "$(ls /sys/class/net 2>/dev/null) wifi cellular ethernet" -- "$2")) ;;
    --exec) COMPREPLY=($(compgen -c -- "$2")) ;;
    --alpn | --also | --association | --connect-to | --connections | --coordinates) COMPREPLY=() ;;
    --count | --deadline | --endpoint | --group-key | --hops | --interval) COMPREPLY=() ;;
    --lifetime | --local | --name | --niceness | --pace | --paths) COMPREPLY=() ;;
    --port | --proxy | --queued | --ready-fd | --reestablish | --reliability) COMPREPLY=() ;;
    --remote | --seconds | --size | --timeout | --title | --warm) COMPREPLY=() ;;
    *) return 1 ;;
    esac
}

_hawser()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}

    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W 'identity listen send connect ping probe fetch paths resolve properties stacks policy forget stats plot top run mptcp bench help --help --version' -- "$word"))
        return
    fi
    _hawser_value "$before" "$word" && return
    case $word in
    -*) COMPREPLY=($(compgen -W "$(_hawser_options "$command")" -- "$word")) ;;
    *)
        case $command in
        help) COMPREPLY=($(compgen -W 'identity listen send connect ping probe fetch paths resolve properties stacks policy forget stats plot top run mptcp bench' -- "$word")) ;;
        identity) COMPREPLY=($(compgen -d -- "$word")) ;;
        send) COMPREPLY=($(compgen -f -- "$word")) ;;
        properties) COMPREPLY=($(compgen -W "$(_hawser_properties)" -- "$word")) ;;
        policy) COMPREPLY=($(compgen -W 'check show' -- "$word")) ;;
        plot) COMPREPLY=($(compgen -f -- "$word")) ;;
        run) COMPREPLY=($(compgen -f -- "$word")) ;;
        mptcp) COMPREPLY=($(compgen -W 'list open close backup get set watch announce withdraw scheduler' -- "$word")) ;;
        bench) COMPREPLY=($(compgen -W 'server client' -- "$word")) ;;
        esac
        ;;
    esac
}

complete -o filenames -F _hawser hawser
