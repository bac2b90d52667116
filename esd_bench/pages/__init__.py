"""A report as a folder of pages that opens from disk, can be mailed, or be put on any web server.

    write("runs", Path("report"))  # then open report/index.html

Every page is static HTML with one small script; nothing is fetched from anywhere. Pictures are one strip of turntable
frames per asset, named by the digest of its views, so that a second build makes only what has changed. No torch: records,
scores, cameras and pictures are read as they lie on disk.
"""

from esd_bench.pages.folder import human
from esd_bench.pages.site import Built, write

__all__ = ["Built", "human", "write"]
