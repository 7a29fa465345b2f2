//! Boosted trees that explain themselves.

use crate::refused;
use numpy::{PyReadonlyArray1, PyReadwriteArray1};
use pyo3::prelude::*;
use trees::Booster;

/// A booster of xgboost, read from its JSON.
#[pyclass(frozen)]
pub(crate) struct Trees {
    booster: Booster,
}

#[pymethods]
impl Trees {
    #[new]
    fn new(py: Python<'_>, json: &[u8]) -> PyResult<Self> {
        let booster = py.detach(|| Booster::parse(json)).map_err(refused)?;
        Ok(Self { booster })
    }

    #[getter]
    fn n_features(&self) -> usize {
        self.booster.n_features()
    }

    /// Writes every feature's share of the log odds for `x` into `shares`, and returns the bias.
    fn explain(
        &self,
        py: Python<'_>,
        x: PyReadonlyArray1<'_, f32>,
        mut shares: PyReadwriteArray1<'_, f64>,
    ) -> PyResult<f64> {
        let (x, shares) = (x.as_slice()?, shares.as_slice_mut()?);
        let n = self.booster.n_features();
        if x.len() != n || shares.len() != n {
            return Err(refused(format!("{} values and {} places for {n} features", x.len(), shares.len())));
        }
        Ok(py.detach(|| self.booster.explain(x, shares)))
    }
}
