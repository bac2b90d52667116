"""ESD's Gaussian example in closed form: theta = (A, b), the view c is z ~ N(0, I), and x = A z + b."""

from dataclasses import replace

import torch

from esd_bench.methods import Predictions, View
from esd_bench.priors.gaussian import gaussian

MEAN = (0.4, 0.7)
COVARIANCE = (2.0, 0.6, 0.6, 1.1)


class Toy:
    """A two-dimensional Gaussian prior; expectations are exact because the residual is linear in (z, eps)."""

    def __init__(self):
        self.prior = gaussian(torch.device("cpu"), mean=MEAN, covariance=COVARIANCE)

    def random(self, seed):
        """Some theta."""
        g = torch.Generator().manual_seed(seed)
        return tuple(
            torch.randn(*shape, generator=g, dtype=torch.float64) for shape in ((2, 2), (2,))
        )

    def student(self, root, mean):
        """q(x): the Gaussian of theta's views."""
        return replace(self.prior, mean=mean, covariance=root @ root.T)

    def predictions(self, root, mean, t):
        """Exact predictions at cubature points of (z, eps): their mean over 8 views is exact to the third degree."""
        points = (
            torch.cat([torch.eye(4, dtype=torch.float64), -torch.eye(4, dtype=torch.float64)]) * 2
        )
        z, noise = points[:, :2], points[:, 2:]
        x = z @ root.T + mean
        alpha, sigma = self.prior.alpha[t].expand(8), self.prior.sigma[t].expand(8)
        noised = alpha[:, None] * x + sigma[:, None] * noise
        teacher = self.prior.noise_in(noised, alpha, sigma)
        own = replace(self.prior, mean=x, covariance=torch.zeros(8, 2, 2, dtype=torch.float64))
        camera = own.noise_in(noised[:, None], alpha[:, None], sigma[:, None])[:, 0]
        anywhere = self.student(root, mean).noise_in(noised, alpha, sigma)
        shaped = (v.reshape(1, 8, 2, 1, 1) for v in (teacher, teacher, camera, anywhere, noise))
        names = ("text", "null", "camera", "anywhere", "noise")
        angle = torch.zeros(1, 8)
        view = View(angle, angle, torch.tensor(0.0))
        return z, Predictions(**dict(zip(names, shaped, strict=True)), view=view)

    def expected_gradient(self, method, root, mean, t):
        """E[w residual dx/dtheta] for A and b."""
        z, eps = self.predictions(root, mean, t)
        alpha, sigma = (x[t].reshape(1, 1) for x in (self.prior.alpha, self.prior.sigma))
        step = method.weight(alpha, sigma) * method.residual(eps).reshape(8, 2)
        return step.T @ z / 8, step.mean(0)

    def _noised(self, covariance, mean, t):
        alpha, sigma = self.prior.alpha[t], self.prior.sigma[t]
        eye = torch.eye(2, dtype=torch.float64)
        return torch.distributions.MultivariateNormal(
            alpha * mean, alpha**2 * covariance + sigma**2 * eye
        )

    def _cross(self, q, p):
        """-E_q log p."""
        apart = q.loc - p.loc
        inverse = torch.linalg.inv(p.covariance_matrix)
        square = apart @ inverse @ apart + (inverse * q.covariance_matrix).sum()
        return (square + torch.logdet(2 * torch.pi * p.covariance_matrix)) / 2

    def entropic_loss(self, root, mean, t, entropy):
        """J_Ent at one t without its weight: -E log p(x_t | y) - lambda H[q(x_t | y)]."""
        q = self._noised(root @ root.T, mean, t)
        p = self._noised(self.prior.covariance, self.prior.mean, t)
        return self._cross(q, p) - entropy * q.entropy()

    def kl(self, root, mean, t):
        """KL of all views' noised distribution from the prior's."""
        return torch.distributions.kl_divergence(
            self._noised(root @ root.T, mean, t),
            self._noised(self.prior.covariance, self.prior.mean, t),
        )

    def kl_of_views(self, root, mean, t):
        """E_c KL(q(x_t | c) | p): quadratic in z, so the cubature of degree 3 is exact."""
        p = self._noised(self.prior.covariance, self.prior.mean, t)
        z = (
            torch.cat([torch.eye(2, dtype=torch.float64), -torch.eye(2, dtype=torch.float64)])
            * 2**0.5
        )
        none = torch.zeros(2, 2, dtype=torch.float64)
        each = [
            torch.distributions.kl_divergence(self._noised(none, root @ x + mean, t), p) for x in z
        ]
        return torch.stack(each).mean()
