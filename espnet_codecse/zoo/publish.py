"""Publish a verified pack on the Hugging Face hub, which also hosts the model zoo's tags."""

import os
from pathlib import Path

from espnet_codecse.errors import UserError
from espnet_codecse.zoo.manifest import MANIFEST, read_manifest


def listed_files(folder: Path, pack: str) -> list[tuple[str, int]]:
    """Return ``(path in the repository, bytes)`` of the files of an unpacked pack, without any other files."""
    manifest = read_manifest(folder, pack)
    names = sorted([*manifest["files"], MANIFEST])
    return [(name, (folder / name).stat().st_size) for name in names]


def publish_pack(folder: Path, repo_id: str, pack: str, private: bool = False, update: bool = False) -> str:
    """Create the repository and commit the files of an unpacked pack to its root.

    Args:
        folder: folder of the unpacked, verified pack.
        repo_id: ``user/name``.
        pack: name of the pack in messages and the commit.
        private: make the repository private.
        update: commit to an existing repository; files that the pack does not contain are deleted.

    Returns:
        The address of the commit.

    Raises:
        UserError: the token is missing or refused, the name is taken or not permitted, or the hub cannot be reached.
    """
    try:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError:
        raise UserError("publish needs huggingface_hub; pip install huggingface_hub") from None
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="espnet_codecse")
    if get_token() is None:
        raise UserError(f"--repo {repo_id}: no token for {api.endpoint}; run 'hf auth login' or set HF_TOKEN")
    names = [name for name, _ in listed_files(folder, pack)]
    try:
        if not (update and api.repo_exists(repo_id)):
            api.create_repo(repo_id, private=private)
        operations: list = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=str(folder / name)) for name in names]
        if update:
            stale = set(api.list_repo_files(repo_id)) - set(names) - {".gitattributes"}
            operations += [CommitOperationDelete(path_in_repo=name) for name in sorted(stale)]
        commit = api.create_commit(repo_id, operations, commit_message=f"Upload {Path(pack).name}")
    except HFValidationError as error:
        raise UserError(f"--repo {repo_id}: not a valid repository name ({_line(error)}); use user/name") from None
    except HfHubHTTPError as error:
        raise UserError(_refusal(repo_id, api.endpoint, error)) from None
    except Exception as error:  # the hub's client passes on exceptions of every network library
        if "README.md" in str(error):
            reason = f"the hub does not accept the model card ({_line(error)})"
            raise UserError(f"--repo {repo_id}: {reason}; give codecse pack another --license or --card") from None
        raise UserError(
            f"--repo {repo_id}: {api.endpoint} cannot be reached or broke off ({type(error).__name__}); check the "
            "network and run the same command again, with --update if the repository now exists"
        ) from None
    return str(commit.commit_url)


def _refusal(repo_id: str, endpoint: str, error) -> str:
    """Return a one-line message for an error of the hub, by its HTTP status."""
    status = error.response.status_code if error.response is not None else 0
    user = repo_id.split("/")[0]
    reasons = {
        401: "the token is refused; run 'hf auth login', or set HF_TOKEN to a token with write permission",
        403: f"the token has no write permission for '{user}'; use your own user name or one of your organisations",
        404: f"no such user or repository; check '{user}'",
        409: "the name is taken; pass --update to replace its files, or choose another name",
    }
    reason = reasons.get(status, f"the hub responded with status {status} ({_line(error)}); try again later")
    return f"--repo {repo_id}: {endpoint}: {reason}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
