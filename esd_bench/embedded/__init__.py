"""The embedded world: small trained models that let the whole suite run offline, and the code that trained them.

Procedural objects (:mod:`objects`) are ray-cast (:mod:`raycast`) and captioned (:mod:`captions`) into pools of pictures
(:mod:`data`); :mod:`train` fits a Stable-Diffusion-format prior, an open_clip model and a classifier with a pose oracle
to them (:mod:`networks`). :mod:`weights` finds and verifies what ships; ``weights/MODEL_CARD.md`` says how good it is.
"""
