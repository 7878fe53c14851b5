"""DiffHarmony++ (Zhou et al., ACM MM 2024): a latent diffusion model that harmonizes, and a VAE that keeps details."""
