# Sourced by scripts/run and scripts/test: the project's own virtual environment, made on first use.
# Needs Python 3.11 or newer with venv, and nothing else.
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11 python; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "backupmeta needs Python 3.11 or newer with its venv module; set PYTHON to one" >&2
    return 1
}

# environment NAME [PIP ARGUMENT...]: make .venv/NAME and install the project into it, unless pyproject.toml is older.
environment() {
    local name=$1 folder="$project/.venv/$1" python
    shift
    if [ ! -f "$folder/installed" ] || [ "$project/pyproject.toml" -nt "$folder/installed" ]; then
        echo "setting up $folder (once)" >&2
        python=$(find_python)
        [ -x "$folder/bin/python" ] || "$python" -m venv "$folder" >&2 || {
            echo "'$python -m venv' failed; on Debian and Ubuntu: apt-get install python3-venv" >&2
            return 1
        }
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1' >&2
        (cd "$project" && "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --editable . "$@") >&2
        touch "$folder/installed"
    fi
}
