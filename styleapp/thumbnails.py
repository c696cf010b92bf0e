"""Small pictures of named styles: the same generated landscape in each of them, as the network itself paints it."""

import base64
from io import BytesIO

import torch
from PIL import Image
from torchvision.transforms.v2.functional import pil_to_tensor, to_pil_image

from styleapp.data.synthetic.scene import scene
from styleapp.models.multistyle import NamedStylizer
from styleapp.norms import Code

__all__ = ["SIDE", "from_text", "jpeg", "thumbnail", "to_text"]

SIDE = 160  # pixels
PAINTED_SIDE = 320  # strokes are as fine as in pictures that are looked at larger


@torch.inference_mode()
def thumbnail(network: NamedStylizer, style: str | Code) -> Image.Image:
    """A picture of 160×160 pixels: the sample landscape in a style of the network, or with a code of its norms."""
    code = network.code(style) if isinstance(style, str) else style
    photo = pil_to_tensor(scene(PAINTED_SIDE))[None].float().div(255).to(code.gamma.device)  # 1×3×S×S
    painted = network.render(photo, code)[0].clamp(0, 1)
    return to_pil_image(painted.mul(255).round().byte().cpu()).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def jpeg(image: Image.Image) -> bytes:
    """A picture in about 10 kB."""
    file = BytesIO()
    image.save(file, "JPEG", quality=88)
    return file.getvalue()


def to_text(image: Image.Image) -> str:
    """A picture as a card can hold it: JPEG in base 64."""
    return base64.b64encode(jpeg(image)).decode("ascii")


def from_text(text: str) -> Image.Image:
    """The picture of :func:`to_text`."""
    return Image.open(BytesIO(base64.b64decode(text))).convert("RGB")
