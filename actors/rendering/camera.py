"""Pictures of a MuJoCo model without a display: one camera, one size, one OpenGL context."""

# mujoco's names come from extension modules without stubs.
# pyright: reportAttributeAccessIssue=false

import atexit
import ctypes.util
import importlib
import os
import sys
import weakref
from typing import Any

import mujoco
import numpy as np


class Camera:
    """Renders a model's fixed camera into `[height, width, 3]` uint8.

    Args:
      model: the model to look at. Its quality settings are read here, and only here.
      name: name of a camera of the model.
      fine: True for shadows and smooth edges (a report's pictures), False for speed (observations:
        software rendering of 64x64 takes about 1 ms then, and some 70 with shadows).

    Raises RuntimeError, saying what to install, where the machine has no way to render.
    """

    def __init__(self, model: mujoco.MjModel, name: str, width: int, height: int, *, fine: bool):
        """See the class."""
        self._context: Any = _gl_context(width, height)
        self._context.make_current()
        quality = model.vis.quality
        kept = quality.offsamples, quality.shadowsize
        if not fine:
            quality.offsamples, quality.shadowsize = 0, 0
        try:
            self._renderer = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        finally:
            quality.offsamples, quality.shadowsize = kept
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._renderer)
        self._model = model
        self._scene = mujoco.MjvScene(model, maxgeom=200)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = fine
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = fine
        self._option = mujoco.MjvOption()
        self._view = mujoco.MjvCamera()
        self._view.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._view.fixedcamid = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, name)
        if self._view.fixedcamid < 0:
            raise ValueError(f"there is no camera {name!r}; the model has {_camera_names(model)}.")
        self._rectangle = mujoco.MjrRect(0, 0, width, height)
        self._pixels = np.empty((height, width, 3), np.uint8)
        _close_at_exit(weakref.ref(self))

    def picture(self, data: mujoco.MjData) -> np.ndarray:
        """The model in the state of `data`, whose body poses are up to date; a new array each time."""
        self._context.make_current()
        mujoco.mjv_updateScene(
            self._model,
            data,
            self._option,
            None,
            self._view,
            mujoco.mjtCatBit.mjCAT_ALL.value,
            self._scene,
        )
        mujoco.mjr_render(self._rectangle, self._scene, self._renderer)
        mujoco.mjr_readPixels(self._pixels, None, self._rectangle, self._renderer)
        return np.flipud(self._pixels).copy()

    def close(self) -> None:
        """Give the context back. The camera cannot be used afterwards."""
        if self._context is not None:
            self._context.make_current()
            self._renderer.free()
            self._context.free()
            self._context = None


def _close_at_exit(camera: "weakref.ref[Camera]") -> None:
    """Before the backend takes its display down, which happens at exit too, and makes closing fail."""

    def close() -> None:
        alive = camera()
        if alive is not None:
            alive.close()

    atexit.register(close)


def _camera_names(model: mujoco.MjModel) -> list[str]:
    return [model.camera(index).name for index in range(model.ncam)]


def _gl_context(width: int, height: int) -> Any:
    """The context that MUJOCO_GL asks for; where it asks for none, the first that can work here."""
    backend = os.environ.get("MUJOCO_GL", "").lower() or _headless_backend()
    try:
        return importlib.import_module(f"mujoco.{backend}").GLContext(width, height)
    except Exception as error:  # each backend fails in its own way: ImportError, AttributeError, GLError, ...
        raise RuntimeError(
            f"this machine cannot render with {backend} ({error}); install libegl1 and libgl1-mesa-dri, "
            "or set MUJOCO_GL to a backend it has: egl, osmesa or glfw."
        ) from error


def _headless_backend() -> str:
    """Chosen by what is installed and not by trial: PyOpenGL binds to one backend a process."""
    if sys.platform != "linux":
        return "glfw"
    if ctypes.util.find_library("EGL"):
        return "egl"
    return "osmesa" if ctypes.util.find_library("OSMesa") else "glfw"
