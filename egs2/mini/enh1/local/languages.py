#!/usr/bin/env python3
"""Mix synthesised speech of six languages with noise, to score a model on languages that it was not trained on.

    python3 local/languages.py --noise_scp data/noise_test/wav.scp --output_dir languages
    for language in de es fr it pl pt; do
        codecse benchmark quality --noisy languages/${language}/noisy --clean languages/${language}/clean \
            --metrics "DNSMOS DISTILLMOS" --output_dir languages/${language}
    done

eSpeak NG speaks six sentences of each language in three voices each, at 0, 5 and 10 dB SNR in turn.
"""

import argparse
from pathlib import Path

import numpy as np

from espnet_codecse.corpus.pairs import write_pair
from espnet_codecse.corpus.recording import read_recording_channel
from espnet_codecse.corpus.synthesis import synthesise
from espnet_codecse.fileio import read_scp

RATE = 16000  # Hz
SNRS_DB = (0.0, 5.0, 10.0)
VOICES = ("", "+f2", "+m3")
SENTENCES = {
    "de": (
        "Der Zug nach Hamburg fährt heute von Gleis sieben ab.",
        "Am Abend kochen wir eine Suppe aus Linsen und Möhren.",
        "Hinter dem alten Bahnhof wächst seit Jahren wilder Wein.",
        "Bitte schicken Sie mir die Rechnung bis zum Freitag.",
        "Meine Großmutter erzählte gern von ihrem ersten Fahrrad.",
        "Nach dem Regen roch der ganze Wald nach feuchter Erde.",
    ),
    "es": (
        "El tren para Sevilla sale hoy del andén número siete.",
        "Por la noche preparamos una sopa de lentejas y zanahorias.",
        "Detrás de la vieja estación crece una viña silvestre.",
        "Por favor, mándeme la factura antes del viernes.",
        "A mi abuela le gustaba hablar de su primera bicicleta.",
        "Después de la lluvia, todo el bosque olía a tierra mojada.",
    ),
    "fr": (
        "Le train pour Lyon part aujourd'hui de la voie sept.",
        "Le soir, nous préparons une soupe de lentilles et de carottes.",
        "Derrière la vieille gare pousse une vigne sauvage.",
        "Merci de m'envoyer la facture avant vendredi.",
        "Ma grand-mère aimait parler de son premier vélo.",
        "Après la pluie, toute la forêt sentait la terre mouillée.",
    ),
    "it": (
        "Il treno per Torino parte oggi dal binario sette.",
        "La sera prepariamo una zuppa di lenticchie e carote.",
        "Dietro la vecchia stazione cresce una vite selvatica.",
        "Mi mandi la fattura entro venerdì, per favore.",
        "A mia nonna piaceva raccontare della sua prima bicicletta.",
        "Dopo la pioggia tutto il bosco profumava di terra bagnata.",
    ),
    "pl": (
        "Pociąg do Gdańska odjeżdża dziś z toru siódmego.",
        "Wieczorem gotujemy zupę z soczewicy i marchewki.",
        "Za starym dworcem od lat rośnie dzikie wino.",
        "Proszę przysłać mi rachunek do piątku.",
        "Moja babcia lubiła opowiadać o swoim pierwszym rowerze.",
        "Po deszczu cały las pachniał wilgotną ziemią.",
    ),
    "pt": (
        "O comboio para o Porto parte hoje da linha sete.",
        "À noite fazemos uma sopa de lentilhas e cenouras.",
        "Atrás da velha estação cresce uma videira selvagem.",
        "Por favor, envie-me a fatura até sexta-feira.",
        "A minha avó gostava de falar da sua primeira bicicleta.",
        "Depois da chuva, toda a floresta cheirava a terra molhada.",
    ),
}


def main(noise_scp: str, output_dir: Path, seed: int) -> None:
    """Write ``<language>/noisy`` and ``<language>/clean``."""
    rng = np.random.default_rng(seed)
    noises = [read_recording_channel(path, RATE) for path in read_scp(noise_scp).values()]
    for language, sentences in SENTENCES.items():
        requests = [
            {"voice": f"{language}{voice}", "text": sentence, "rate": 150, "pitch": 50, "range": 50}
            for voice in VOICES
            for sentence in sentences
        ]
        for index, speech in enumerate(synthesise(requests, RATE)):
            noise, snr_db = noises[rng.integers(len(noises))], SNRS_DB[index % len(SNRS_DB)]
            write_pair(output_dir / language, f"{language}{index:02}", speech, noise, snr_db, RATE, rng)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--noise_scp", required=True, help="noise recordings")
    parser.add_argument("--output_dir", type=Path, required=True, help="folder for a folder of each language")
    parser.add_argument("--seed", type=int, default=0, help="of the noise that is drawn (default: %(default)s)")
    main(**vars(parser.parse_args()))
