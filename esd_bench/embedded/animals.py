"""Plush animals: a face in front, a tail behind."""

from esd_bench.embedded.parts import FACING, Kind, Part, Triple, ball, both, box, rod


def eyes(x: float = 0.15, y: float = 0.37, z: float = 0.34, size: float = 0.09) -> list[Part]:
    """White eyeballs with black pupils that look to the front."""
    return both(
        ball((x, y, z), (size, size, 0.8 * size), "white"),
        ball((0.97 * x, y, z + 0.6 * size), (0.55 * size, 0.58 * size, 0.4 * size), "black"),
    )


def torso(belly: str = "light", feet: str = "coat", arms: str = "coat") -> list[Part]:
    """A sitting plush body: trunk, belly patch in front, feet that point forward, arms."""
    return [
        ball((0, -0.36, -0.06), (0.34, 0.42, 0.36)),
        ball((0, -0.38, 0.13), (0.22, 0.30, 0.22), belly),
        *both(
            ball((0.17, -0.74, 0.24), (0.11, 0.09, 0.17), feet),
            ball((0.33, -0.30, 0.16), (0.08, 0.21, 0.10), arms, (0, 0, 20)),
        ),
    ]


def head(size: Triple = (0.40, 0.34, 0.35), y: float = 0.28) -> Part:
    """The round head that most animals share."""
    return ball((0, y, 0.04), size)


def cat() -> Kind:
    """Pointed ears, pink nose, upright tail."""
    return Kind([
        *torso(), head(), *eyes(),
        *both(
            ball((0.25, 0.64, 0.0), (0.12, 0.22, 0.07), turn=(0, 0, -22)),
            ball((0.25, 0.63, 0.05), (0.07, 0.15, 0.05), "pink", (0, 0, -22)),
            ball((0.07, 0.18, 0.36), (0.09, 0.07, 0.08), "white"),
        ),
        ball((0, 0.24, 0.43), (0.05, 0.035, 0.04), "pink"),
        ball((0.05, -0.30, -0.46), (0.07, 0.36, 0.07), turn=(-20, 0, 0)),
    ])  # fmt: skip


def dog() -> Kind:
    """Hanging ears, long muzzle with a black nose, tongue, raised tail."""
    return Kind([
        *torso(), head(), *eyes(),
        *both(ball((0.41, 0.26, 0.02), (0.07, 0.27, 0.14), "dark", (0, 0, 12))),
        ball((0, 0.18, 0.40), (0.15, 0.12, 0.20), "light"),
        ball((0, 0.23, 0.58), (0.07, 0.05, 0.06), "black"),
        ball((0, 0.04, 0.50), (0.05, 0.08, 0.08), "tongue"),
        ball((0, -0.36, -0.48), (0.06, 0.07, 0.19), "dark", (35, 0, 0)),
    ])  # fmt: skip


def bear() -> Kind:
    """Round ears, broad light muzzle, stub tail."""
    return Kind([
        *torso(), head(), *eyes(size=0.075),
        *both(
            ball((0.30, 0.58, -0.02), (0.14, 0.14, 0.08)),
            ball((0.30, 0.58, 0.03), (0.09, 0.09, 0.05), "light"),
        ),
        ball((0, 0.17, 0.37), (0.17, 0.13, 0.14), "light"),
        ball((0, 0.23, 0.50), (0.08, 0.05, 0.05), "black"),
        ball((0, -0.55, -0.42), 0.10),
    ])  # fmt: skip


def rabbit() -> Kind:
    """Long upright ears, teeth, white bob of a tail."""
    return Kind([
        *torso(), head(), *eyes(),
        *both(
            ball((0.15, 0.76, -0.02), (0.09, 0.32, 0.06), turn=(0, 0, -8)),
            ball((0.15, 0.76, 0.03), (0.055, 0.24, 0.04), "pink", (0, 0, -8)),
        ),
        ball((0, 0.24, 0.39), (0.055, 0.04, 0.04), "pink"),
        box((0, 0.09, 0.36), (0.07, 0.07, 0.04), "white"),
        ball((0, -0.55, -0.46), 0.15, "white"),
    ])  # fmt: skip


def pig() -> Kind:
    """A flat snout with nostrils, folded ears, curl of a tail."""
    return Kind([
        *torso(), head(), *eyes(size=0.075),
        rod((0, 0.20, 0.41), (0.16, 0.10, 0.13), "pink", FACING),
        *both(
            ball((0.06, 0.20, 0.51), (0.03, 0.045, 0.02), "dark"),
            ball((0.28, 0.56, 0.10), (0.13, 0.13, 0.06), "pink", (20, 0, -40)),
        ),
        ball((0, -0.35, -0.45), (0.10, 0.10, 0.07), "pink"),
    ])  # fmt: skip


def owl() -> Kind:
    """Ringed eyes, beak, ear tufts, dark wings, tail feathers."""
    return Kind([
        *torso(feet="beak", arms="dark"), head(),
        *both(
            ball((0.17, 0.37, 0.31), (0.19, 0.19, 0.05), "gold"),
            ball((0.27, 0.62, 0.02), (0.07, 0.16, 0.06), "dark", (0, 0, -30)),
        ),
        *eyes(0.17, 0.37, 0.35, 0.13),
        ball((0, 0.24, 0.42), (0.06, 0.11, 0.09), "beak"),
        ball((0, -0.62, -0.42), (0.20, 0.06, 0.14), "dark", (-30, 0, 0)),
    ])  # fmt: skip


def mouse() -> Kind:
    """Huge round ears, pointed muzzle, thin long tail."""
    return Kind([
        *torso(), head(), *eyes(),
        *both(
            ball((0.40, 0.56, -0.05), (0.24, 0.24, 0.06)),
            ball((0.40, 0.56, -0.01), (0.17, 0.17, 0.05), "pink"),
        ),
        ball((0, 0.18, 0.37), (0.12, 0.10, 0.18)),
        ball((0, 0.21, 0.54), 0.055, "pink"),
        ball((0, -0.66, -0.56), (0.04, 0.04, 0.30), "pink"),
    ])  # fmt: skip


def frog() -> Kind:
    """Eyes on top of a flat head, wide red mouth, spread feet."""
    return Kind([
        *torso(belly="lamp"), head((0.44, 0.28, 0.36)),
        *both(
            ball((0.23, 0.56, 0.06), 0.16),
            ball((0.30, -0.72, -0.10), (0.18, 0.09, 0.20)),
        ),
        *eyes(0.23, 0.58, 0.15, 0.12),
        ball((0, 0.19, 0.33), (0.31, 0.045, 0.10), "tongue"),
        ball((0, -0.60, -0.40), (0.07, 0.05, 0.07), "dark"),
    ], top=(0.54, 0.0))  # fmt: skip


def lion() -> Kind:
    """A mane round the face, tail with a tuft."""
    return Kind([
        *torso(), head(),
        ball((0, 0.28, -0.07), (0.58, 0.54, 0.22), "mane"),
        *both(ball((0.37, 0.62, 0.11), (0.10, 0.10, 0.07))),
        *eyes(size=0.08),
        ball((0, 0.17, 0.37), (0.17, 0.12, 0.13), "light"),
        ball((0, 0.23, 0.49), (0.08, 0.045, 0.05), "black"),
        ball((0, -0.42, -0.46), (0.05, 0.32, 0.05), turn=(-30, 0, 0)),
        ball((0, -0.18, -0.62), 0.11, "mane"),
    ], top=(0.78, -0.06), neck=(-0.08, 0.0, 0.36))  # fmt: skip


def penguin() -> Kind:
    """White front, orange beak and feet, flippers."""
    return Kind([
        ball((0, -0.22, -0.04), (0.40, 0.58, 0.38)),
        ball((0, -0.26, 0.12), (0.32, 0.48, 0.28), "white"),
        ball((0, 0.42, 0.02), (0.31, 0.30, 0.29)),
        *both(
            ball((0.11, 0.40, 0.17), (0.14, 0.19, 0.15), "white"),
            ball((0.44, -0.18, 0.0), (0.07, 0.36, 0.14), "dark", (0, 0, 18)),
            ball((0.17, -0.78, 0.20), (0.13, 0.06, 0.20), "beak"),
        ),
        *eyes(0.11, 0.48, 0.29, 0.07),
        ball((0, 0.36, 0.36), (0.08, 0.06, 0.16), "beak"),
        ball((0, -0.70, -0.38), (0.14, 0.05, 0.16), "dark", (-30, 0, 0)),
    ], top=(0.69, 0.0), neck=(0.17, 0.0, 0.33), back=(-0.22, -0.44))  # fmt: skip


def elephant() -> Kind:
    """Fan ears, a trunk that hangs in front, tusks, thin tail."""
    return Kind([
        *torso(), head(), *eyes(0.20, 0.42, 0.31, 0.085),
        *both(
            ball((0.52, 0.30, -0.05), (0.27, 0.33, 0.06), turn=(0, 20, 0)),
            ball((0.54, 0.30, 0.0), (0.19, 0.24, 0.05), "pink", (0, 20, 0)),
            ball((0.17, 0.05, 0.40), (0.04, 0.05, 0.14), "white", (20, 0, 0)),
        ),
        ball((0, 0.22, 0.40), (0.11, 0.14, 0.13)),
        ball((0, 0.04, 0.50), (0.09, 0.15, 0.09)),
        ball((0, -0.14, 0.56), (0.075, 0.14, 0.075)),
        ball((0, -0.26, 0.62), (0.07, 0.06, 0.10), "dark"),
        ball((0, -0.42, -0.44), (0.03, 0.22, 0.03), "dark", (-15, 0, 0)),
    ])  # fmt: skip


def monkey() -> Kind:
    """A light face with a grin, ears at the sides, a tail that curls up."""
    return Kind([
        *torso(), head((0.36, 0.34, 0.34)),
        *both(
            ball((0.11, 0.36, 0.25), (0.16, 0.16, 0.13), "light"),
            ball((0.40, 0.30, 0.0), (0.13, 0.14, 0.06)),
            ball((0.41, 0.30, 0.04), (0.08, 0.09, 0.05), "light"),
        ),
        ball((0, 0.16, 0.31), (0.24, 0.14, 0.13), "light"),
        *eyes(0.12, 0.38, 0.36, 0.07),
        ball((0, 0.11, 0.42), (0.14, 0.025, 0.04), "stop"),
        ball((0, 0.24, 0.42), (0.05, 0.03, 0.04), "dark"),
        ball((0, -0.58, -0.52), (0.06, 0.06, 0.24), "dark", (-20, 0, 0)),
        ball((0, -0.36, -0.74), (0.06, 0.24, 0.06), "dark"),
        ball((0, -0.14, -0.66), (0.06, 0.06, 0.12), "dark", (-20, 0, 0)),
    ])  # fmt: skip


def duck() -> Kind:
    """A broad bill, folded wings, a tail that points up."""
    return Kind([
        ball((0, -0.36, -0.12), (0.42, 0.36, 0.56)),
        ball((0, -0.34, 0.22), (0.26, 0.26, 0.26), "light"),
        ball((0, 0.28, 0.20), (0.31, 0.31, 0.30)),
        *both(
            ball((0.40, -0.28, -0.18), (0.08, 0.20, 0.36), "dark", (-12, 0, 0)),
            ball((0.18, -0.74, 0.16), (0.13, 0.05, 0.19), "beak"),
        ),
        *eyes(0.14, 0.37, 0.43, 0.08),
        ball((0, 0.22, 0.56), (0.17, 0.04, 0.18), "beak"),
        ball((0, 0.16, 0.52), (0.14, 0.035, 0.14), "tongue"),
        ball((0, -0.12, -0.68), (0.17, 0.10, 0.20), turn=(35, 0, 0)),
    ], top=(0.57, 0.18), neck=(0.02, 0.15, 0.31), back=(-0.02, -0.42))  # fmt: skip
