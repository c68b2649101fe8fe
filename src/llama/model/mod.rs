pub mod hparams;
