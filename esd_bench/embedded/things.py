"""Made things: a door, a dial or headlights in front, a back panel or tail lights behind."""

from esd_bench.embedded.parts import ACROSS, FACING, Kind, Part, ball, both, box, rod


def robot() -> Kind:
    """A screen with glowing eyes, a panel with lamps on the chest, an aerial, a dark pack behind."""
    return Kind([
        box((0, -0.25, 0), (0.34, 0.32, 0.26)),
        box((0, 0.34, 0), (0.30, 0.24, 0.25)),
        box((0, 0.37, 0.25), (0.24, 0.13, 0.04), "black"),
        box((0, -0.20, 0.26), (0.22, 0.16, 0.03), "gold"),
        box((0, -0.29, 0.29), (0.14, 0.03, 0.02), "black"),
        rod((0, 0.66, 0), (0.03, 0.12, 0.03), "metal"),
        ball((0, 0.80, 0), 0.07, "stop"),
        box((0, -0.22, -0.28), (0.20, 0.22, 0.06), "dark"),
        *both(
            ball((0.12, 0.38, 0.29), (0.07, 0.07, 0.04), "cyan"),
            ball((0.10, -0.16, 0.29), (0.05, 0.05, 0.03), "stop"),
            box((0.43, -0.22, 0), (0.07, 0.28, 0.09), "metal"),
            box((0.16, -0.72, 0.04), (0.11, 0.16, 0.17), "metal"),
        ),
    ], top=(0.57, 0.0), neck=(0.08, 0.0, 0.33), back=(-0.22, -0.40))  # fmt: skip


def wheels(*z: float, x: float = 0.34, y: float = -0.42, radius: float = 0.17) -> list[Part]:
    """Black tyres with metal hubs on both sides at each ``z``."""
    return [
        part
        for place in z
        for part in both(
            rod((x, y, place), (radius, 0.07, radius), "black", ACROSS),
            rod((x + 0.04, y, place), (0.09, 0.05, 0.09), "metal", ACROSS),
        )
    ]


def car() -> Kind:
    """Headlights and a grille in front, red lights behind."""
    return Kind([
        box((0, -0.25, 0), (0.34, 0.17, 0.70)),
        box((0, 0.02, -0.10), (0.30, 0.16, 0.36)),
        box((0, 0.02, 0.25), (0.26, 0.12, 0.03), "glass"),
        box((0, 0.02, -0.46), (0.24, 0.10, 0.02), "dark"),
        box((0, -0.28, 0.70), (0.12, 0.07, 0.03), "black"),
        box((0, -0.30, -0.70), (0.11, 0.05, 0.02), "white"),
        *wheels(0.42, -0.42),
        *both(
            box((0.30, 0.03, -0.10), (0.02, 0.09, 0.28), "glass"),
            ball((0.22, -0.20, 0.70), (0.09, 0.08, 0.05), "lamp"),
            box((0.24, -0.20, -0.70), (0.07, 0.06, 0.02), "stop"),
        ),
    ], top=(0.18, -0.1), soft=False)  # fmt: skip


def truck() -> Kind:
    """A cab with windscreen and grille in front of a pale cargo box with two doors behind."""
    return Kind([
        box((0, -0.06, 0.46), (0.32, 0.34, 0.24)),
        box((0, 0.10, 0.70), (0.27, 0.14, 0.02), "glass"),
        box((0, -0.20, 0.70), (0.18, 0.08, 0.03), "black"),
        box((0, -0.38, 0.70), (0.32, 0.04, 0.05), "metal"),
        box((0, -0.38, -0.15), (0.30, 0.06, 0.60), "black"),
        box((0, 0.12, -0.30), (0.36, 0.44, 0.50), "light"),
        box((0, -0.02, -0.30), (0.37, 0.10, 0.49)),
        *wheels(0.46, -0.20, -0.56, x=0.31, y=-0.46, radius=0.16),
        *both(
            box((0.32, 0.10, 0.48), (0.02, 0.12, 0.14), "glass"),
            ball((0.24, -0.22, 0.71), (0.06, 0.07, 0.04), "lamp"),
            box((0.17, 0.12, -0.80), (0.14, 0.38, 0.02), "dark"),
            box((0.30, -0.38, -0.75), (0.06, 0.04, 0.03), "stop"),
        ),
    ], top=(0.56, -0.3), soft=False)  # fmt: skip


def house() -> Kind:
    """A door, windows and a round gable light in front; one dark shed door and the chimney behind."""
    return Kind([
        box((0, -0.32, 0), (0.48, 0.36, 0.40)),
        *both(box((0.27, 0.22, 0), (0.40, 0.05, 0.47), "dark", (0, 0, -40))),
        box((0, 0.12, 0), (0.22, 0.20, 0.38)),
        box((0, -0.45, 0.41), (0.12, 0.23, 0.03), "wood"),
        ball((0.07, -0.45, 0.45), 0.025, "gold"),
        *both(box((0.31, -0.27, 0.41), (0.10, 0.11, 0.03), "glass")),
        rod((0, 0.14, 0.39), (0.10, 0.03, 0.10), "lamp", FACING),
        box((-0.28, 0.42, -0.15), (0.08, 0.20, 0.08), "stop"),
        box((0, -0.50, -0.41), (0.28, 0.18, 0.03), "dark"),
    ], top=(0.46, 0.2), soft=False)  # fmt: skip


def clock() -> Kind:
    """An alarm clock: white dial with hands in front, bells on top, a dark back with a key."""
    return Kind([
        rod((0, -0.05, 0), (0.58, 0.22, 0.58), turn=FACING),
        rod((0, -0.05, 0.19), (0.48, 0.05, 0.48), "white", FACING),
        box((0, 0.12, 0.26), (0.035, 0.19, 0.02), "black"),
        box((0.11, -0.05, 0.26), (0.14, 0.035, 0.02), "black"),
        ball((0, -0.05, 0.27), 0.05, "stop"),
        box((0, 0.36, 0.25), (0.03, 0.05, 0.02), "dark"),
        box((0, -0.46, 0.25), (0.03, 0.05, 0.02), "dark"),
        *both(
            box((0.41, -0.05, 0.25), (0.05, 0.03, 0.02), "dark"),
            ball((0.34, 0.54, 0), (0.22, 0.15, 0.18), "gold", (0, 0, -35)),
            box((0.36, -0.62, 0), (0.07, 0.16, 0.10), "metal", (0, 0, 25)),
        ),
        rod((0, 0.60, 0), (0.04, 0.12, 0.04), "metal"),
        rod((0, -0.05, -0.22), (0.46, 0.03, 0.46), "dark", FACING),
        box((0, -0.05, -0.30), (0.17, 0.05, 0.05), "gold"),
    ], top=(0.66, 0.0), soft=False)  # fmt: skip
