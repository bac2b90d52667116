"""The embedded world: small trained models that let the whole suite run offline, and the code that trained them.

:mod:`kinds` of :mod:`objects`, built of :mod:`parts`, are ray-cast (:mod:`raycast`) and captioned (:mod:`captions`) into
pools of pictures (:mod:`data`); :mod:`train` fits a Stable-Diffusion-format prior and an open_clip model (:mod:`networks`)
and a :mod:`classifier` with a pose oracle to them. :mod:`weights` finds and verifies what ships; ``weights/MODEL_CARD.md``,
which :mod:`card` writes, says how good it is.
"""
