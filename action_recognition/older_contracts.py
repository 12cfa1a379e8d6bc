"""The frame rate of clip contracts that were made before contracts had one."""

from collections.abc import Sequence

# Both sets have 30 frames per second throughout.
_HMDB51 = """
brush_hair cartwheel catch chew clap climb climb_stairs dive draw_sword dribble drink eat fall_floor fencing
flic_flac golf handstand hit hug jump kick kick_ball kiss laugh pick pour pullup punch push pushup ride_bike
ride_horse run shake_hands shoot_ball shoot_bow shoot_gun sit situp smile smoke somersault stand swing_baseball
sword sword_exercise talk throw turn walk wave
"""
HMDB51_CLASSES = frozenset(_HMDB51.split())
DEMO_CLASSES = frozenset(["catch", "flic_flac", "run", "sit", "somersault", "stand", "throw", "walk"])
# Fewer of HMDB51's classes may be anybody's: `run` and `walk`.
LEAST_CLASSES = 10


def known_rate(class_names: Sequence[str]) -> float:
    """30.0 if these are the classes of HMDB51, at least `LEAST_CLASSES` of them, or of the demo set; otherwise 0.0."""
    names = frozenset(class_names)
    is_hmdb51 = len(names) >= LEAST_CLASSES and names <= HMDB51_CLASSES
    return 30.0 if is_hmdb51 or names == DEMO_CLASSES else 0.0
