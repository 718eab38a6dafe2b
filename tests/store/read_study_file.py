"""Reads a study file as a user would, with h5py and pandas, and compares it with what study_file_interop_test.cpp wrote."""

import sys

try:
    import h5py
    import pandas
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)


def main(path):
    with h5py.File(path, "r") as file:
        assert dict(file.attrs) == {"title": "Größe", "empty": ""}, dict(file.attrs)
        group = file["edits/scores"]
        table = pandas.DataFrame({name: data.asstr()[()] if h5py.check_string_dtype(data.dtype) else data[()] for name, data in group.items()})
        assert list(table.columns) == ["subject", "fact", "efficacy"], list(table.columns)
        assert table["subject"].tolist() == ["Łódź", "", "Rome"]
        assert table["fact"].tolist() == [-(2**63), 0, 2**63 - 1] and table["fact"].dtype == "int64"
        assert table["efficacy"].tolist() == [0.1 + 0.2, -1.5, 0.0] and table["efficacy"].dtype == "float64"
        bits = file["mask/bits"]
        assert bits.dtype == "uint8" and bits.shape == (300, 1000) and bits.compression == "gzip"
        assert bits.attrs["seed"] == "3"
        assert (bits[()].reshape(-1) == [(i * 7) % 256 for i in range(300000)]).all()


if __name__ == "__main__":
    main(sys.argv[1])
