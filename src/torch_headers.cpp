// Carries the precompiled headers of LibTorch; see src/CMakeLists.txt.
