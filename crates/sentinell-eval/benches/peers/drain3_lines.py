"""The same lines through Drain3 with the masks that its documentation proposes. Prints one line of JSON.
Usage: drain3_lines.py FILE LINES"""
import itertools
import json
import sys
import time
from importlib.metadata import version

from drain3 import TemplateMiner
from drain3.masking import MaskingInstruction
from drain3.template_miner_config import TemplateMinerConfig

MASKS = [
    (r"((?<=[^A-Za-z0-9])|^)(([0-9a-f]{2,}:){3,}([0-9a-f]{2,}))((?=[^A-Za-z0-9])|$)", "ID"),
    (r"((?<=[^A-Za-z0-9])|^)(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})((?=[^A-Za-z0-9])|$)", "IP"),
    (r"((?<=[^A-Za-z0-9])|^)([0-9a-f]{6,} ?){3,}((?=[^A-Za-z0-9])|$)", "SEQ"),
    (r"((?<=[^A-Za-z0-9])|^)([0-9A-F]{4} ?){4,}((?=[^A-Za-z0-9])|$)", "SEQ"),
    (r"((?<=[^A-Za-z0-9])|^)(0x[a-f0-9A-F]+)((?=[^A-Za-z0-9])|$)", "HEX"),
    (r"((?<=[^A-Za-z0-9])|^)([\-\+]?\d+)((?=[^A-Za-z0-9])|$)", "NUM"),
]

config = TemplateMinerConfig()
config.masking_instructions = [MaskingInstruction(pattern, name) for pattern, name in MASKS]
with open(sys.argv[1], encoding="utf-8") as file:
    lines = [line.rstrip("\n") for line in itertools.islice(file, int(sys.argv[2]))]
miner = TemplateMiner(config=config)
began = time.perf_counter()
for line in lines:
    miner.add_log_message(line)
seconds = time.perf_counter() - began
print(json.dumps({
    "lines": len(lines), "lines_per_second": len(lines) / seconds, "templates": len(miner.drain.clusters),
    "version": f"drain3 {version('drain3')}",
}))
