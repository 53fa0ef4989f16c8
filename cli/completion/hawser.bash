# SPDX-License-Identifier: Apache-2.0
# bash completion for hawser(1)

_hawser_options()
{
    local line='--identity --trust --trust-file --min-verification --certificate --certificate-key --stack
        --policy --timeout --json --verbose --help'

    case $1 in
    identity) echo '--identity --name-only --json --help' ;;
    listen) echo "--echo --discard --receive --overwrite --exec $line" ;;
    send) echo "--niceness --lifetime --after --name --ordered --replayable $line" ;;
    connect) echo "--niceness $line" ;;
    ping) echo "--niceness --lifetime --replayable --count --interval --size $line" ;;
    bench) echo '--timeout --count --size --what --endpoint --port --mode --seconds --warm --connections --queued
        --resumed --dir --ready-fd --help' ;;
    esac
}

_hawser_value()
{
    case $1 in
    --identity | --receive | --dir) COMPREPLY=($(compgen -d -- "$2")) ;;
    --trust-file | --certificate | --certificate-key | --after) COMPREPLY=($(compgen -f -- "$2")) ;;
    --trust) COMPREPLY=($(compgen -W 'pki key= tofu any' -- "$2")) ;;
    --min-verification) COMPREPLY=($(compgen -W 'none address tofu dane pki kerberos key' -- "$2")) ;;
    --stack) COMPREPLY=($(compgen -W 'tls/tcp tls/unix' -- "$2")) ;;
    --policy) COMPREPLY=($(compgen -W 'handover interactive aggregate' -- "$2")) ;;
    --what) COMPREPLY=($(compgen -W 'oneway pingpong idle setup growth queue urgent' -- "$2")) ;;
    --mode) COMPREPLY=($(compgen -W 'run poll' -- "$2")) ;;
    --exec) COMPREPLY=($(compgen -c -- "$2")) ;;
    --timeout | --niceness | --lifetime | --name | --count | --interval | --size) COMPREPLY=() ;;
    --endpoint | --port | --seconds | --warm | --connections | --queued | --ready-fd) COMPREPLY=() ;;
    *) return 1 ;;
    esac
}

_hawser()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}

    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W 'identity listen send connect ping bench help --help --version' -- "$word"))
        return
    fi
    _hawser_value "$before" "$word" && return
    case $word in
    -*) COMPREPLY=($(compgen -W "$(_hawser_options "$command")" -- "$word")) ;;
    *)
        case $command in
        help) COMPREPLY=($(compgen -W 'identity listen send connect ping bench' -- "$word")) ;;
        bench) COMPREPLY=($(compgen -W 'server client' -- "$word")) ;;
        identity) COMPREPLY=($(compgen -d -- "$word")) ;;
        send) COMPREPLY=($(compgen -f -- "$word")) ;;
        esac
        ;;
    esac
}

complete -o filenames -F _hawser hawser
