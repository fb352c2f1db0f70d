"""The main job, `ondol demo`: a small network learns handwritten digits, and shows what ondol does on the way.

It is written to be read as a tutorial. Begin with `story.py`, six chapters from top to bottom; what they use stands in

- `model.py`: the network;
- `training.py`: the loop of forward, loss, backward and step;
- `transfer.py`: a new head on a frozen body;
- `inspection.py`: hooks that look inside while the network works;
- `tables.py`, `picture.py`, `chart.py`: what is shown;
- `files.py`: files that are whole or not there at all;
- `command.py`: the options, and one clear line for everything that can go wrong.
"""
