"""Pictures of a MuJoCo model without a display: one size, one OpenGL context.

`mujoco.Renderer` needs 0.8 ms in software for 64x64 without shadows and multisampling, as MuJoCo's C API does
(0.76 and 0.74 ms, the best of 300 in turns); the pictures are equal, pixel for pixel.
"""

# mujoco's names come from extension modules without stubs.
# pyright: reportAttributeAccessIssue=false

import atexit
import ctypes.util
import importlib
import os
import sys
import weakref

import mujoco
from mujoco.rendering.classic import gl_context

MOST_GEOMS = 200
"""In a picture; room for the renderer's 10,000 costs time at each."""


def make_renderer(model: mujoco.MjModel, width: int, height: int, *, fine: bool) -> mujoco.Renderer:
    """A renderer of a model's cameras into `[height, width, 3]` uint8.

    Args:
      model: the model to look at. Its quality settings are read here, and only here.
      fine: True for shadows and smooth edges (a report's pictures), False for speed (observations:
        software rendering of 64x64 takes about 1 ms then, and some 70 with shadows).

    Raises RuntimeError, saying what to install, where the machine has no way to render.
    """
    quality = model.vis.quality
    settings = quality.offsamples, quality.shadowsize
    if not fine:
        quality.offsamples, quality.shadowsize = 0, 0
    backend = os.environ.get("MUJOCO_GL", "").lower() or _headless_backend()
    try:
        # MuJoCo chose when it was imported; where MUJOCO_GL was not set then, it chose what needs a display.
        gl_context.GLContext = importlib.import_module(f"mujoco.{backend}").GLContext
        renderer = mujoco.Renderer(model, height, width, MOST_GEOMS)
    except Exception as error:  # each backend fails in its own way: ImportError, AttributeError, GLError, ...
        raise RuntimeError(
            f"this machine cannot render with {backend} ({error}); install libegl1 and libgl1-mesa-dri, "
            "or set MUJOCO_GL to a backend it has: egl, osmesa or glfw."
        ) from error
    finally:
        quality.offsamples, quality.shadowsize = settings
    renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = fine
    renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = fine
    # Before the backend takes its display down, which happens at exit too, and makes closing fail.
    atexit.register(_close, weakref.ref(renderer))
    return renderer


def _headless_backend() -> str:
    """Chosen by what is installed and not by trial: PyOpenGL binds to one backend a process."""
    if sys.platform != "linux":
        return "glfw"
    if ctypes.util.find_library("EGL"):
        return "egl"
    return "osmesa" if ctypes.util.find_library("OSMesa") else "glfw"


def _close(reference: "weakref.ref[mujoco.Renderer]") -> None:
    if (renderer := reference()) is not None:
        renderer.close()
