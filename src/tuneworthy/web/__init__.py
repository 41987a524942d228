"""Pages over run folders: they start the same verbs and show what those wrote. No logic of their own.

`guard` decides who may ask, `workspace` which files may be named, `launching` starts and stops verbs,
`progress` reads a run that is under way; each page is one file in `pages/`, and everything it shows is a
template with escaping always on.
"""
