"""Training from one YAML recipe: ``python train.py fit --config configs/adain.yaml``.

Every option of the recipe can be overridden on the command line, e.g. ``--trainer.devices=2``; ``--print_config`` shows
all of them with their meaning. ``--ckpt_path=last`` goes on with an interrupted run.
"""

from pytorch_lightning import LightningDataModule, LightningModule
from pytorch_lightning.cli import LightningCLI


def main(args: list[str] | None = None) -> LightningCLI:
    """Parses the recipe, builds trainer, module and data, runs the subcommand."""
    return LightningCLI(
        LightningModule,
        LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        save_config_kwargs={"overwrite": True},
        args=args,
    )


if __name__ == "__main__":
    main()
