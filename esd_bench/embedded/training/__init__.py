"""The training stages, one file each: :mod:`vae`, :mod:`clip`, :mod:`prior`, :mod:`classifier`; what they share is :mod:`job`."""
