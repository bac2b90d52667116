"""The study of docs/protocol.md on paper: tables, figures and verdict out of stored units, without torch."""
