"""How people move before the device: walking, standing, balancing on one leg.

A phone worn at the pelvis feels gravity and the body's acceleration, turned by the phone's tilt.
Its axes are x to the right, y up and z forward where it is upright; accelerations are in g, the
Step Trainer's distance in millimetres. Walking is periodic in the stride: the vertical and forward
acceleration go through two periods a stride, one for each step, the sideways one through one, and
the nearer foot approaches the device once.

Orders of magnitude are those of published studies:

* stride time about 1.05 s, differing by a few hundredths of a second from stride to stride:
  J. M. Hausdorff, D. A. Rios, H. K. Edelberg, "Gait variability and fall risk in community-living
  older adults: a 1-year prospective study", Archives of Physical Medicine and Rehabilitation 82
  (2001) 1050-1056; about two steps a second at every age: T. Öberg, A. Karsznia, K. Öberg, "Basic
  gait parameters: reference data for normal subjects, 10-79 years of age", Journal of
  Rehabilitation Research and Development 30 (1993) 210-223;
* acceleration of the pelvis of a few tenths of a g, most of it vertical and least of it sideways,
  and its periods: H. B. Menz, S. R. Lord, R. C. Fitzpatrick, "Acceleration patterns of the head and
  pelvis when walking on level and irregular surfaces", Gait & Posture 18 (2003) 35-46;
  J. J. Kavanagh, H. B. Menz, "Accelerometry: a technique for quantifying movement patterns during
  walking", Gait & Posture 28 (2008) 1-15;
* how gravity shows in a sensor that is tilted, as one worn on the trunk always is: R. Moe-Nilssen,
  "A new method for evaluating motor control in gait under real-life environmental conditions.
  Part 1: The instrument", Clinical Biomechanics 13 (1998) 320-327;
* sway of about a hundredth of a g in quiet standing, and more the harder the stance: M. Mancini et
  al., "ISway: a sensitive, valid and reliable measure of postural control", Journal of
  NeuroEngineering and Rehabilitation 9 (2012) 59; C. Neville, C. Ludlow, B. Rieger, "Measuring
  postural stability with an inertial sensor: validity and sensitivity", Medical Devices: Evidence
  and Research 8 (2015) 447-455.

The angles of the tilt and the distances are our own choice: no study has measured this phone and
this device.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa

from stedi.arrays import Float64s, Int64s
from stedi.simulate.drawn import Accelerations, Moments
from stedi.simulate.population import READINGS_PER_CUSTOMER, records_of_readings

WALKING, STANDING, BALANCING = range(3)
SHARES_OF_TIME = (6.0, 2.0, 2.0)
STRIDE_S, STRIDE_SD_S = 1.05, 0.08
PHASE_SD = 0.04
SIDEWAYS_G, VERTICAL_G, FORWARD_G = 0.15, 0.30, 0.20
AMPLITUDE_SD = 0.25
SWAY_G = {STANDING: 0.01, BALANCING: 0.04}
NOISE_G = 0.03
PITCH_DEG, PITCH_SD_DEG, ROLL_SD_DEG = 10.0, 10.0, 6.0
NEAR_FOOT_IS_RIGHT = 0.85
NEAR_MM, NEAR_SD_MM, FAR_MM, FAR_SD_MM = 140.0, 25.0, 380.0, 30.0
DISTANCE_NOISE_MM = 10.0
LEAST_RESTING_MM, MOST_MM = 260, 1_000
MOST_G = 3
STEPS_PER_G = 10_000


@dataclass(frozen=True)
class Motion:
    """What each reading finds: activity, distance (mm), and the phone's acceleration (g)."""

    activity: Int64s
    distance: Int64s
    x: Float64s
    y: Float64s
    z: Float64s


def draw_motion(rng: np.random.Generator, moments: Moments, people: int) -> Motion:
    """Draw how people move at their moments; `moments` lie in the order of people and time."""
    person = moments.person
    activity = _bouts(rng, people)
    phase = _stride_phase(rng, moments, people)
    sideways, up, forward = _body(rng, activity, phase, person, people)
    x, y, z = _tilted(rng, sideways, up, forward, person, people)
    return Motion(activity, _distance(rng, activity, phase, person, people), x, y, z)


def measured(rng: np.random.Generator, motion: Motion) -> Accelerations:
    """Draw the accelerometer's records of a motion: several a reading, each with its own noise."""
    reading = records_of_readings(rng, len(motion.activity))

    def record(axis: Float64s) -> pa.Array:
        noise = rng.standard_normal(len(reading), dtype=np.float32) * np.float32(NOISE_G)
        steps = np.rint((axis.astype(np.float32)[reading] + noise) * STEPS_PER_G).astype(np.int32)
        limit = MOST_G * STEPS_PER_G
        return _texts().take(pa.array(np.clip(steps, -limit, limit) + limit))

    return Accelerations(reading, record(motion.x), record(motion.y), record(motion.z))


@cache
def _texts() -> pa.Array:
    limit = MOST_G * STEPS_PER_G
    return pa.array([f"{n / STEPS_PER_G:.4f}" for n in range(-limit, limit + 1)])


def _bouts(rng: np.random.Generator, people: int) -> Int64s:
    """The activity at each reading: one bout of each a person, in any order, of any length."""
    order = np.argsort(rng.random((people, 3)), axis=1)
    shares = np.take_along_axis(rng.dirichlet(SHARES_OF_TIME, size=people), order, axis=1)
    ends = np.cumsum(shares, axis=1) * READINGS_PER_CUSTOMER
    nth = np.arange(READINGS_PER_CUSTOMER) + 0.5
    bout = (nth > ends[:, :1]).astype(np.int64) + (nth > ends[:, 1:2])
    return np.take_along_axis(order, bout, axis=1).ravel()


def _stride_phase(rng: np.random.Generator, moments: Moments, people: int) -> Float64s:
    """Where in the stride each moment lies, in strides; whole where the near foot is nearest."""
    stride = np.clip(rng.normal(STRIDE_S, STRIDE_SD_S, people), 0.8, 1.5)
    seconds = (moments.time % 1_000_000) / 1_000
    jitter = rng.normal(0, PHASE_SD, len(seconds))
    phase: Float64s = seconds / stride[moments.person] + rng.random(people)[moments.person] + jitter
    return phase


def _body(
    rng: np.random.Generator, activity: Int64s, phase: Float64s, person: Int64s, people: int
) -> tuple[Float64s, Float64s, Float64s]:
    """The body's acceleration and the reaction to gravity: sideways, up, forward, in g."""

    def amplitude(g: float) -> Float64s:
        strength: Float64s = g * rng.lognormal(0, AMPLITUDE_SD, people)[person]
        return strength

    side = np.where(rng.random(people) < NEAR_FOOT_IS_RIGHT, 1, -1)[person]
    turn = 2 * np.pi * phase
    walking = (
        amplitude(SIDEWAYS_G) * side * np.cos(turn),
        amplitude(VERTICAL_G) * np.cos(2 * turn),
        amplitude(FORWARD_G) * np.sin(2 * turn),
    )
    sway = np.select([activity == STANDING, activity == BALANCING], list(SWAY_G.values()))
    sideways, up, forward = (
        np.where(activity == WALKING, swing, sway * rng.standard_normal(len(phase)))
        for swing in walking
    )
    return sideways, 1 + up, forward


def _tilted(
    rng: np.random.Generator,
    sideways: Float64s,
    up: Float64s,
    forward: Float64s,
    person: Int64s,
    people: int,
) -> tuple[Float64s, Float64s, Float64s]:
    """What a phone feels that leans forward (pitch) and to the side (roll)."""
    pitch = np.radians(rng.normal(PITCH_DEG, PITCH_SD_DEG, people))[person]
    roll = np.radians(rng.normal(0, ROLL_SD_DEG, people))[person]
    along = up * np.cos(pitch) - forward * np.sin(pitch)
    z = up * np.sin(pitch) + forward * np.cos(pitch)
    x = sideways * np.cos(roll) - along * np.sin(roll)
    y = sideways * np.sin(roll) + along * np.cos(roll)
    return x, y, z


def _distance(
    rng: np.random.Generator, activity: Int64s, phase: Float64s, person: Int64s, people: int
) -> Int64s:
    """The distance of the near foot; below 250 mm only while it swings past the device."""
    near = rng.normal(NEAR_MM, NEAR_SD_MM, people)[person]
    far = rng.normal(FAR_MM, FAR_SD_MM, people)[person]
    noise = rng.normal(0, DISTANCE_NOISE_MM, len(phase))
    approach = (1 + np.cos(2 * np.pi * phase)) / 2
    walking = far - (far - near) * approach + noise
    resting = np.maximum(far + noise, LEAST_RESTING_MM)
    distance = np.where(activity == WALKING, walking, resting)
    return np.clip(np.rint(distance), 0, MOST_MM).astype(np.int64)
