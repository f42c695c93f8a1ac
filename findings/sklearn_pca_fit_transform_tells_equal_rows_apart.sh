#!/usr/bin/env bash
# scikit-learn's PCA has fit_transform, which stands for fit and then transform, and KMeans warns where there are fewer
# distinct points than clusters were asked for. The data are 200 equal rows (features of a layer that has died, say).
#
# One would expect 200 equal rows, whichever of both is called, shares of explained variance that say that there is none,
# and from a pipeline of PCA and KMeans what KMeans alone gives: one cluster and the warning.
#
# What happens: fit(X).transform(X) gives equal rows, fit_transform(X) does not: it takes them from the singular vectors of
# what rounding left when the mean was taken away. The first component explains 100 % of the variance, by what it says.
# A pipeline calls fit_transform, so that KMeans finds several clusters in one point, and where it finds all ten
# there is no warning either. The solver covariance_eigh, which is chosen where there are many more rows than columns, does not
# do so, so that it comes and goes with the number of rows. In float64 it is the same with fewer distinct rows.
#
# Seen: scikit-learn 1.9.1, numpy 2.4.6, scipy 1.17.1, Python 3.11, x86_64. How many rows and clusters depends on the machine's BLAS.
# Output seen:
#   fit and transform: 1 distinct rows; fit_transform: 66; first component explains 100 %
#   KMeans alone: 1 clusters and a warning; after PCA, in a pipeline: 10 clusters of [138, 23, 19, 9, 6, 1, 1, 1, 1, 1], no warning
#   64-bit: fit and transform: 1 distinct rows; fit_transform: 7; 2,000 rows of 64: fit_transform: 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import importlib.metadata as metadata
import sys
import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

print("scikit-learn", metadata.version("scikit-learn"))


def distinct(rows):
    return len(np.unique(rows, axis=0))


def clusters(estimator, rows):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sizes = np.unique(estimator.fit_predict(rows), return_counts=True)[1]
    warned = any(issubclass(one.category, ConvergenceWarning) for one in caught)
    return sorted(sizes.tolist(), reverse=True), warned


equal = np.full((200, 64), 0.1, np.float32)
pca = PCA(5, random_state=0)
both, one = distinct(pca.fit(equal).transform(equal)), distinct(pca.fit_transform(equal))
share = pca.explained_variance_ratio_[0]
print(f"fit and transform: {both} distinct rows; fit_transform: {one}; first component explains {100 * share:.0f} %")
kmeans = KMeans(10, n_init=3, random_state=0)
alone, warned = clusters(kmeans, equal)
after, still = clusters(make_pipeline(pca, kmeans), equal)
print(
    f"KMeans alone: {len(alone)} clusters and {'a' if warned else 'no'} warning; after PCA, in a pipeline: {len(after)} "
    f"clusters of {after}, {'a' if still else 'no'} warning"
)
double = np.full((200, 64), 0.1)
both64, one64 = distinct(pca.fit(double).transform(double)), distinct(pca.fit_transform(double))
many = distinct(pca.fit_transform(np.full((2000, 64), 0.1, np.float32)))
print(f"64-bit: fit and transform: {both64} distinct rows; fit_transform: {one64}; 2,000 rows of 64: fit_transform: {many}")
seen = both == 1 and one > 1 and share > 0.99 and len(alone) == 1 and warned and len(after) > 1 and both64 == 1 and one64 > 1
sys.exit(not (seen and many == 1))
PYTHON
