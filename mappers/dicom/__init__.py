"""DICOM headers to facts, and the facts of one study to one R4 ImagingStudy."""
