"""`VideoActionModel`: clips in, logits out, and how it is trained."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import MeanMetric

from action_recognition.config import AugmentConfig, ModelConfig, OptimizerConfig
from action_recognition.contract import ClipContract
from action_recognition.data.dataset import ClipBatch
from action_recognition.data.features import FeatureBatch
from action_recognition.errors import ContractError, DataError, first_line
from action_recognition.models.class_scores import ClassScores
from action_recognition.models.networks import build_network
from action_recognition.models.networks.base import ActionNetwork
from action_recognition.models.optimizers import make_optimizer
from action_recognition.models.stored_settings import DIGEST_KEY, check_digest, check_settings, checkpoint_digest
from action_recognition.models.weight_files import load_plain
from action_recognition.transforms.augment import ClipAugment
from action_recognition.transforms.mixing import mix
from action_recognition.transforms.motion_inputs import as_input, input_shape
from action_recognition.utils.checksums import check_checkpoint
from action_recognition.utils.files import replacing
from action_recognition.utils.finite import check_weights

# Clips, or features of a frozen backbone.
Batch = ClipBatch | FeatureBatch
MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last_3d": torch.channels_last_3d}


class VideoActionModel(L.LightningModule):
    """A network behind a clip contract.

    Args:
        contract: `ClipContract.to_dict()`; plain values, because they travel in the checkpoint.
        model: network name and arguments.
        optimizer: None for a model that is only run.
        augment: None trains on centre crops.
        memory_format: `contiguous` or `channels_last_3d`, the layout of clips and weights in memory.
        seed: of augmentation, mixing and dropout.
        provenance: plain facts about the training that evaluation needs (overrides, hashes of source videos).

    Shape: uint8 (or float, 0-255) clips `[B, C, T, H, W]`, RGB, to float32 logits `[B, K]`. Casting and normalisation
    are part of an exported graph.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        contract: dict[str, Any],
        model: ModelConfig | dict[str, Any],
        optimizer: OptimizerConfig | dict[str, Any] | None = None,
        augment: AugmentConfig | dict[str, Any] | None = None,
        memory_format: str = "contiguous",
        seed: int = 0,
        provenance: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        plain = {
            "contract": contract,
            "model": asdict(ModelConfig(**_as_dict(model))),  # with its defaults
            "optimizer": _as_dict(optimizer),
            "augment": _as_dict(augment),
            "memory_format": memory_format,
            "seed": seed,
            "provenance": provenance or {},
        }
        # Not save_hyperparameters(): the frame inspection would keep the dataclasses, which a safe load refuses.
        self._set_hparams(plain)
        self._hparams_initial = plain
        self.contract = ClipContract.from_dict(contract, origin="VideoActionModel")
        self.network: ActionNetwork = build_network(
            plain["model"]["network"],
            clip_shape=input_shape(self.contract.clip_shape, plain["model"]["input"]),
            num_classes=self.contract.num_classes,
            **plain["model"]["args"],
        )
        self.register_buffer("mean", torch.tensor(self.contract.mean).view(1, -1, 1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(self.contract.std).view(1, -1, 1, 1, 1), persistent=False)
        self.use_memory_format(memory_format)
        self.optimizer_config = OptimizerConfig(**plain["optimizer"]) if plain["optimizer"] else None
        self.augment = None
        if plain["augment"]:
            self.augment = ClipAugment(
                AugmentConfig(**plain["augment"]),
                size=self.contract.size,
                class_names=self.contract.class_names,
                largest=2**self.contract.bits - 1,
            )
        classes, k = self.contract.num_classes, min(5, self.contract.num_classes)
        # disable: by default NaN is left out of the mean, which would hide a broken training.
        self.train_loss, self.val_loss = MeanMetric(nan_strategy="disable"), MeanMetric(nan_strategy="disable")
        self.train_scores, self.val_scores = ClassScores(classes), ClassScores(classes, top_k=k)
        self.skipped: set[str] = set()
        self.when_batch_is_there: Callable[[], None] | None = None  # for whoever measures the wait for batches

    def use_memory_format(self, memory_format: str) -> None:
        """Lay weights and clips out in memory as `contiguous` or `channels_last_3d`; their values stay the same."""
        self.hparams["memory_format"] = self._hparams_initial["memory_format"] = memory_format
        self.memory_format = MEMORY_FORMATS[memory_format]
        self.network.to(memory_format=self.memory_format)

    def forward(self, clip_BCTHW: Tensor) -> Tensor:
        logits_BK: Tensor = self.network(self.network_input(clip_BCTHW))
        return logits_BK.float()

    def features(self, clip_BCTHW: Tensor) -> Tensor:
        """The input of the network's head: float32 `[B, D]`, or more dimensions if the head looks at frames."""
        return self.network.features(self.network_input(clip_BCTHW)).float()

    def network_input(self, clip_BCTHW: Tensor) -> Tensor:
        """The network's input from uint8 clips: float, normalised, and as `model.input` says."""
        normalised = (clip_BCTHW.to(self.mean.dtype) - self.mean) / self.std
        given = as_input(normalised, self.hparams["model"]["input"])
        return given.contiguous(memory_format=self.memory_format)

    def on_train_epoch_start(self) -> None:
        # Dropout draws from the global generator: seeded per epoch, a resumed run draws like an uninterrupted one.
        torch.manual_seed(self._draw_seed(self.current_epoch, rank=self.global_rank))
        self.train_scores.reset()

    def _draw_seed(self, moment: int, *, rank: int = 0) -> int:
        return int(torch.tensor([self.hparams["seed"], moment, rank]).dot(_PRIMES))

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        training = self.trainer is not None and self.trainer.training
        if training and self.when_batch_is_there:
            self.when_batch_is_there()
        if not training or not isinstance(batch, ClipBatch) or not len(batch.label_B):
            return batch
        # The same seed in every process: together they draw the same as a single process.
        seed, rank, world = self._draw_seed(self.global_step), self.global_rank, self.trainer.world_size
        return batch._replace(clip_BCTHW=self.augment_clips(batch, seed=seed, rank=rank, world=world))

    def augment_clips(self, batch: ClipBatch, *, seed: int, **draw: Any) -> Tensor:
        """Clips of the contract's size from a training batch: augmented, or without augmentation the centre squares.

        Args:
            seed, draw: of `ClipAugment`.
        """
        if self.augment is None:
            return self._cropped(batch.clip_BCTHW)
        return self.augment(batch.clip_BCTHW, batch.label_B, seed=seed, **draw)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        self.skipped.update(batch.errors)
        if not len(batch.label_B):
            if self.trainer.world_size > 1:  # the other processes wait for this one's gradients
                raise DataError(f"{batch.errors[0]}; a whole batch cannot be read: python commands.py check-data")
            return None
        inputs, target = self._mixed(batch)
        logits_BK = self.network.head(inputs).float() if isinstance(batch, FeatureBatch) else self(inputs)
        smoothing = self.optimizer_config.label_smoothing if self.optimizer_config else 0.0
        loss = F.cross_entropy(logits_BK, target, label_smoothing=smoothing)
        count = len(batch.label_B)
        self.train_loss.update(loss.detach(), weight=count)
        self.log("train_loss", self.train_loss, on_step=False, on_epoch=True, batch_size=count)
        # A mixed clip counts as the class that it shows most of.
        self.train_scores.update(logits_BK.detach(), target.argmax(dim=1) if target.ndim == 2 else target)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        # Not at the end of the epoch: callbacks end theirs before the module does, and read these.
        if self.trainer.is_last_batch:
            self._log_scores("train", self.train_scores)

    def _log_scores(self, prefix: str, scores: ClassScores) -> None:
        """Log an epoch's scores; all processes have to take part."""
        for name, value in scores.compute().items():
            shown = "top5" if name == "topk" else name
            self.log(f"{prefix}_{shown}", value, on_step=False, on_epoch=True, batch_size=1)

    def _mixed(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Inputs and targets of a training batch: labels, or shares of classes where `augment` mixes clips."""
        inputs = batch.feature_B if isinstance(batch, FeatureBatch) else self._cropped(batch.clip_BCTHW)
        config = self.augment.config if self.augment else None
        if config is None or not (config.mixup_alpha or config.cutmix_alpha):
            one_hot = self.optimizer_config is not None and self.optimizer_config.targets == "one_hot"
            target = F.one_hot(batch.label_B, self.contract.num_classes).float() if one_hot else batch.label_B
            return inputs, target
        return mix(
            inputs,
            batch.label_B,
            num_classes=self.contract.num_classes,
            mixup_alpha=config.mixup_alpha,
            cutmix_alpha=config.cutmix_alpha,
            seed=self._draw_seed(self.global_step, rank=self.global_rank),
        )

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        self.skipped.update(batch.errors)
        if not len(batch.label_B):
            return None
        logits_BK = self.network.head(batch.feature_B) if isinstance(batch, FeatureBatch) else self(batch.clip_BCTHW)
        loss = F.cross_entropy(logits_BK.float(), batch.label_B)
        self.val_loss.update(loss, weight=len(batch.label_B))
        self.log("val_loss", self.val_loss, batch_size=len(batch.label_B))
        self.val_scores.update(logits_BK, batch.label_B)
        return loss

    def on_validation_epoch_start(self) -> None:
        self.val_scores.reset()

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_epoch_end(self) -> None:
        self._log_scores("val", self.val_scores)

    def test_step(self, batch: ClipBatch, batch_idx: int) -> None:
        """Lightning's own `trainer.test`; `infer` averages views and reports more."""
        if len(batch.label_B):
            self.val_scores.update(self(batch.clip_BCTHW), batch.label_B)

    def on_test_epoch_end(self) -> None:
        self._log_scores("test", self.val_scores)

    def predict_step(self, batch: ClipBatch, batch_idx: int) -> Tensor:
        """Probabilities `[B, K]`, one row per view."""
        probability_BK: Tensor = (self(batch.clip_BCTHW) / self.contract.temperature).softmax(dim=1)
        return probability_BK

    def configure_optimizers(self) -> Any:
        assert self.optimizer_config is not None, "a model without optimizer settings can only be run"
        total_steps = int(self.trainer.estimated_stepping_batches)
        steps_per_epoch = max(1, total_steps // max(1, self.trainer.max_epochs or 1))
        return make_optimizer(self.network, self.optimizer_config, total_steps, steps_per_epoch)

    def _cropped(self, clip_BCTHW: Tensor) -> Tensor:
        """The contract's centre square, for training without augmentation; augmented clips have that size already."""
        size, side = self.contract.size, clip_BCTHW.shape[-1]
        first = (side - size) // 2
        return clip_BCTHW if side == size else clip_BCTHW[..., first : first + size, first : first + size]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # The last of the hooks: averaged weights are in place by now.
        checkpoint[DIGEST_KEY] = checkpoint_digest(checkpoint)

    def save_checkpoint(self, path: str | Path) -> None:
        """Write a checkpoint that `load`, `infer` and `export-onnx` read; for one's own training loop.

        Raises:
            OSError: if it cannot be written; what was at `path` stays then.
        """
        checkpoint = {"state_dict": self.state_dict(), "hyper_parameters": dict(self.hparams)}
        self.on_save_checkpoint(checkpoint)
        with replacing(Path(path)) as partial:
            torch.save(checkpoint, partial)

    @classmethod
    def from_checkpoint(cls, path: Path, *, device: str | torch.device = "cpu") -> Self:
        """Load a checkpoint without letting it run code, ready for inference on `device`.

        Raises:
            ContractError: if it is not a checkpoint of this project, is damaged, or has weights that are not finite.
        """
        if not path.is_file():
            raise ContractError(f"{path}: no such checkpoint; python commands.py train makes one")
        check_checkpoint(path)
        try:
            checkpoint = load_plain(path)
            check_digest(checkpoint, path)
            model = cls(**check_settings(checkpoint["hyper_parameters"], origin=str(path)))
            model.load_state_dict(checkpoint["state_dict"])
        except ContractError:
            raise
        except Exception as error:
            raise ContractError(f"{path}: not a checkpoint of VideoActionModel ({first_line(error)})") from error
        check_weights(model.state_dict(), origin=str(path))
        return model.to(device).eval()


_PRIMES = torch.tensor([1_000_003, 7_919, 104_729])


def _as_dict(value: Any) -> Any:
    return value if value is None or isinstance(value, dict) else asdict(value)
