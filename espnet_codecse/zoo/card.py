"""The model card: README.md of a pack, with the front matter that the Hugging Face hub reads."""

from typing import Any

from espnet_codecse.report.scores import METRIC_ORDER
from espnet_codecse.zoo.manifest import dump_yaml, network_name

# Metrics that have a name on the hub.
HUB_METRICS = {"SI_SDR": "si-sdr", "SDR": "sdr", "PESQ": "pesq", "STOI": "stoi", "ESTOI": "estoi"}


def front_matter(manifest: dict[str, Any]) -> str:
    """Return the card's YAML header, including the lines of dashes."""
    header: dict[str, Any] = {"tags": ["espnet", "audio", "audio-to-audio", "speech-enhancement"]}
    if manifest["num_spk"] > 1:
        header["tags"].append("speech-separation")
    header["pipeline_tag"] = "audio-to-audio"
    header["library_name"] = "espnet_codecse"
    if manifest.get("license"):
        header["license"] = manifest["license"]
    if manifest.get("datasets"):
        header["datasets"] = list(manifest["datasets"])
    metrics = metrics_of(manifest["figures"])
    if metrics:
        header["metrics"] = [HUB_METRICS.get(metric, metric.lower()) for metric in metrics]
    return f"---\n{dump_yaml(header).decode()}---\n"


def metrics_of(figures: dict[str, dict[str, float]]) -> list[str]:
    """Return the metrics that occur in ``figures``, in the order of RESULTS.md."""
    found = {metric for means in figures.values() for metric in means}
    return [metric for metric in METRIC_ORDER if metric in found] + sorted(found - set(METRIC_ORDER))


def model_card(manifest: dict[str, Any], config: dict[str, Any], body: str = "") -> str:
    """Return the text of README.md.

    Args:
        manifest: ``codecse.yaml`` without its list of files.
        config: the training's configuration.
        body: the author's text, which replaces the generated description. If it has its own front matter, it is used
            unchanged.
    """
    if body.lstrip().startswith("---\n"):
        return body.lstrip()
    lines = [body.rstrip(), ""] if body.strip() else [f"# {manifest['name']}", "", *_description(manifest, config)]
    figures = manifest["figures"]
    if figures:
        metrics = metrics_of(figures)
        rows = [["", *metrics]] + [
            [label, *(f"{means[metric]:.3f}" if metric in means else "" for metric in metrics)]
            for label, means in figures.items()
        ]
        table = ["| " + " | ".join(row) + " |" for row in rows]
        lines += ["## Scores", "", table[0], "|---" * len(rows[0]) + "|", *table[1:], ""]
    return front_matter(manifest) + "\n" + "\n".join(lines).rstrip() + "\n"


def _description(manifest: dict[str, Any], config: dict[str, Any]) -> list[str]:
    codec, num_spk = manifest["codec"], manifest["num_spk"]
    work, interface, call = "Speech enhancement", "SpeechEnhancer", 'speech = model.enhance("noisy.wav")'
    if num_spk > 1:
        work, interface = f"Separation of {num_spk} speakers", "SpeechSeparator"
        call = ", ".join(f"speech{number}" for number in range(1, num_spk + 1)) + ' = model.separate("noisy.wav")'
    losses = ", ".join(str(item.get("name")) for item in config.get("criterions") or [])
    name, version = manifest["name"], manifest["package"]["version"]
    domain = "on the embeddings of an audio codec" if "separator" in manifest else f"by `{manifest['task']}`"
    network = network_name(manifest, config)
    return [
        f"{work} {domain}, trained with espnet_codecse {version}.",
        "",
        "| | |",
        "|---|---|",
        f"| network | `{network}`, {manifest['num_parameters'] / 1e6:.2f} M parameters |",
        *([_codec_row(codec)] if codec else []),
        f"| decoded layer | {manifest['layer']} |",
        f"| training loss | {losses or 'unknown'} |",
        f"| data | {', '.join(manifest['datasets']) or 'not stated'} |",
        f"| licence | {manifest['license'] or 'not stated'} |",
        "",
        "## Use",
        "",
        "```sh",
        f"codecse enhance noisy.wav -o enhanced --model {name}.zip",
        "```",
        "",
        "```python",
        f"from espnet_codecse import {interface}",
        "",
        f'model = {interface}.from_pretrained("{name}.zip")  # or the id of this page',
        f"{call}  # or an array of samples and its rate, fs=48000",
        "```",
        "",
    ]


def _codec_row(codec: dict[str, Any]) -> str:
    carried = "included in this pack" if codec["weights"] else f"not included: `{codec['name']}`"
    frame_rate = codec["sample_rate"] / codec["hop"]
    return (
        f"| codec | {codec['sample_rate']} Hz, {frame_rate:g} frames/s of {codec['dim']} channels, "
        f"fingerprint `{codec['fingerprint']}`; {carried} |"
    )
