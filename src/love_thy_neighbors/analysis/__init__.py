"""The paper's measurements other than annotation: Table 1, and Figures 3 and 6."""
