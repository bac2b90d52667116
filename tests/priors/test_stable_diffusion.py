"""The adapter of Stable-Diffusion-family folders: loading, the codec, eps."""

import shutil

import pytest
import torch

from esd_bench.priors._denoiser import Denoiser
from esd_bench.priors._files import sha256
from esd_bench.priors.stable_diffusion import stable_diffusion
from tests.tiny_prior import folder, tiny_prior, write

CPU = torch.device("cpu")


def rows(prior, members=2, views=2, k=2, seed=0):
    g = torch.Generator().manual_seed(seed)
    noised = torch.randn(members, views, k, *prior.latent, generator=g)
    t = torch.randint(0, 1000, (members, views), generator=g)
    return noised, t, torch.randn(members, views, k, 16, 16, generator=g)


def test_shapes_and_schedule():
    prior = tiny_prior()
    assert (prior.latent, prior.resolution) == ((4, 16, 16), 32)
    torch.testing.assert_close(prior.alpha**2 + prior.sigma**2, torch.ones(1000))
    published = {20: 0.98131, 100: 0.89422, 300: 0.59050, 500: 0.27633, 700: 0.08252, 980: 0.00584}
    for t, abar in published.items():
        assert (prior.alpha[t] ** 2).item() == pytest.approx(abar, abs=1e-5)


def test_eps_is_the_network_asked_row_by_row():
    prior = tiny_prior()
    noised, t, text = rows(prior)
    fused = prior.eps(noised, t, text, ("base", "base"))
    unet = prior.denoiser.unet
    with torch.no_grad():
        for p in range(2):
            for v in range(2):
                for k in range(2):
                    alone = unet(noised[p, v, k][None], t[p, v], text[p, v, k][None]).sample[0]
                    torch.testing.assert_close(fused[p, v, k], alone, rtol=1e-5, atol=1e-5)


def test_a_v_prediction_is_converted():
    """Parts that predict eps, v or x of the same (x, eps) answer the same eps: x_t = alpha x + sigma eps."""
    prior = tiny_prior()
    g = torch.Generator().manual_seed(0)
    x, eps = (torch.randn(1, 1, 1, *prior.latent, generator=g, dtype=torch.float64) for _ in "xe")
    t = torch.tensor([[400]])
    abar = prior.alpha.double() ** 2
    alpha, sigma = abar[400].sqrt(), (1 - abar[400]).sqrt()
    noised = alpha * x + sigma * eps
    for prediction, answer in (
        ("epsilon", eps),
        ("v_prediction", alpha * eps - sigma * x),
        ("sample", x),
    ):
        denoiser = object.__new__(Denoiser)
        denoiser.prediction, denoiser.alpha, denoiser.sigma = (
            prediction,
            abar.sqrt(),
            (1 - abar).sqrt(),
        )
        torch.testing.assert_close(denoiser._as_eps(answer, noised, t), eps, rtol=0, atol=1e-10)


def test_the_scale_of_errors_is_that_of_the_networks_own_prediction():
    """An error of v by d is an error of eps by alpha d."""
    prior = tiny_prior("v_prediction")
    t = torch.tensor([[10, 500, 990]])
    noised = torch.randn(1, 3, 1, *prior.latent)
    v, d = torch.randn_like(noised), torch.randn_like(noised)
    apart = prior.denoiser._as_eps(v + d, noised, t) - prior.denoiser._as_eps(v, noised, t)
    back = apart * prior.error_scale(t)[:, :, None, None, None, None]
    torch.testing.assert_close(back, d, rtol=1e-4, atol=1e-4)
    assert torch.equal(tiny_prior().error_scale(t), torch.ones(1, 3))


def test_v_prediction_folders_answer_eps():
    eps, v = tiny_prior(), tiny_prior("v_prediction")
    noised, t, text = rows(eps)
    raw = eps.eps(noised, t, text, ("base", "base"))
    alpha, sigma = (x[t][:, :, None, None, None, None] for x in (eps.alpha, eps.sigma))
    wanted = alpha * raw + sigma * noised
    torch.testing.assert_close(v.eps(noised, t, text, ("base", "base")), wanted)


def test_encode_resizes_scales_and_is_differentiable():
    prior = tiny_prior()
    small = torch.rand(2, 3, 16, 16, requires_grad=True)
    latent = prior.encode(small)
    assert latent.shape == (2, *prior.latent)
    latent.sum().backward()
    assert small.grad.abs().sum() > 0
    big = torch.nn.functional.interpolate(small.detach(), (32, 32), mode="bilinear")
    with torch.no_grad():
        posterior = prior.vae.encode(big * 2 - 1).latent_dist
    torch.testing.assert_close(latent.detach(), posterior.mean * 0.5)
    assert torch.equal(prior.encode(big, torch.ones(2, *prior.latent)), prior.encode(big))


def test_a_sampled_posterior():
    prior = stable_diffusion(CPU, folder=str(folder()), posterior="sample")
    picture, noise = torch.rand(2, 3, 32, 32), torch.randn(2, *prior.latent)
    posterior = prior.vae.encode(picture * 2 - 1).latent_dist
    wanted = (posterior.mean + posterior.std * noise) * 0.5
    torch.testing.assert_close(prior.encode(picture, noise), wanted)
    torch.testing.assert_close(prior.encode(picture), posterior.mean * 0.5)


def test_decode_stays_in_range():
    picture = tiny_prior().decode(torch.randn(2, 4, 16, 16) * 20)
    assert picture.shape == (2, 3, 32, 32)
    assert picture.min() >= 0
    assert picture.max() <= 1


def test_words_are_padded_and_long_texts_warn():
    prior = tiny_prior()
    assert prior.words(["a red cat", ""]).shape == (2, 16, 16)
    with pytest.warns(UserWarning, match="cut off after 16 tokens"):
        prior.words(["a very long description of a cat"])


def test_samples_do_not_depend_on_their_batch():
    prior = tiny_prior()
    both = prior.sample(["a cat", "a dog"], [1, 2], steps=4)
    alone = prior.sample(["a dog"], [2], steps=4)
    torch.testing.assert_close(both[1:], alone, rtol=0, atol=1e-4)
    assert (both[0] - both[1]).abs().max() > 1e-3
    with pytest.raises(ValueError, match="as many seeds"):
        prior.sample(["a cat"], [1, 2])


def test_sampling_is_diffusers_ddim():
    """The pipeline, from the same first noise, draws the same picture."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    from esd_bench.draws import Draws

    prior = tiny_prior()
    pipe = StableDiffusionPipeline(
        vae=prior.vae,
        text_encoder=prior.text_encoder,
        tokenizer=prior.tokenizer,
        unet=prior.denoiser.unet,
        scheduler=DDIMScheduler.from_pretrained(folder() / "scheduler"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    latents = Draws(torch.tensor([7]), torch.tensor(0)).normal("sample", *prior.latent)
    theirs = pipe(
        "a cat", num_inference_steps=5, guidance_scale=7.5, latents=latents, output_type="pt"
    )
    torch.testing.assert_close(
        prior.sample(["a cat"], [7], steps=5), theirs.images, rtol=0, atol=1e-4
    )


def test_half_precision_exchanges_float32():
    half, full = tiny_prior(dtype="bfloat16"), tiny_prior()
    noised, t, text = rows(full)
    answer = half.eps(noised, t, text, ("base", "base"))
    assert answer.dtype == torch.float32
    torch.testing.assert_close(
        answer, full.eps(noised, t, text, ("base", "base")), rtol=0.1, atol=0.1
    )


def test_the_digest_covers_every_loaded_file(tmp_path):
    prior = tiny_prior()
    assert "unet/diffusion_pytorch_model.safetensors" in prior.files
    for name, digest in prior.files.items():
        assert digest == sha256(folder() / name)
    copy = shutil.copytree(folder(), tmp_path / "copy")
    assert stable_diffusion(CPU, folder=str(copy)).digest == prior.digest
    config = copy / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace("0.012", "0.013"))
    assert stable_diffusion(CPU, folder=str(copy)).digest != prior.digest


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(folder(), tmp_path / "copy")


def refused(path):
    with pytest.raises(ValueError, match=".") as caught:
        stable_diffusion(CPU, folder=str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_folder_is_one_line(tmp_path):
    assert "no folder" in refused(tmp_path / "nowhere")
    assert "embedded-biased" in refused("nowhere")


def test_a_missing_part_is_named(copy):
    shutil.rmtree(copy / "vae")
    assert "'vae'" in refused(copy)


def test_damaged_weights_are_named(copy):
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "unet" in refused(copy)


def test_missing_weights_are_named(copy):
    from safetensors.torch import load_file, save_file

    path = copy / "text_encoder" / "model.safetensors"
    tensors = load_file(path)
    lost = next(name for name in tensors if "q_proj.weight" in name)
    del tensors[lost]
    save_file(tensors, path, metadata={"format": "pt"})
    assert "q_proj.weight" in refused(copy)


def test_pickled_weights_are_not_read(copy):
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    refused(copy)


def test_parts_of_different_models_are_named(tmp_path):
    wide = write(tmp_path / "wide", cross_attention_dim=24)
    assert "wrong text encoder" in refused(wide)
    inpainting = write(tmp_path / "inpainting", in_channels=9)
    assert "9 channels" in refused(inpainting)


def test_a_hub_id_that_can_not_be_had_is_one_line():
    assert "not from the hub" in refused("nobody-at-all/no-such-model")


def test_nothing_global_is_drawn(no_global_rng):
    prior = tiny_prior()
    prior.adapter(torch.arange(2))
    prior.sample(["a"], [0], steps=2)
