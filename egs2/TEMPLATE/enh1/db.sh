# Sourced by local/data.sh; names the folder of each corpus. Write it after the ":-", or set the variable in the
# environment. A recipe whose corpus is not found stops and names its variable.

export MINI="${MINI:-downloads}"           # egs2/mini: synthesised there if no recordings are given
export DNS="${DNS:-}"                      # egs2/dns: DNS-Challenge, Interspeech 2020 master
export VCTK_DEMAND="${VCTK_DEMAND:-}"      # egs2/vctk_demand, egs2/urgent: NoisySpeechDatabase (VoiceBank-DEMAND)
export WSJ0="${WSJ0:-}"                    # egs2/wsj0_2mix, egs2/wsj0_chime3: LDC93S6A
export CHIME3="${CHIME3:-}"                # egs2/wsj0_chime3: background noise of CHiME-3
export URGENT="${URGENT:-}"                # egs2/urgent: urgent2024_challenge, prepared
